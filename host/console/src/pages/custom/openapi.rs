//! A definition made of an OpenAPI document: pasted, a file, or fetched from its address. First its operations are listed,
//! then those that are ticked become actions.

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{id::OrganizationId, plan::Feature};
use resly_http::{Api, problem::Problem};
use resly_manifest::openapi::{self, ImportError, ImportOptions, Imported, OperationList, OperationSummary};
use resly_service::{openapi_documents, plans};

use super::{
    OPENAPI, handbook,
    text::{self, Work},
    way,
};
use crate::{
    access::Admin,
    csrf,
    error::{PageError, sentence},
    fields::Fields,
    frame::Page,
    member::Member,
    multipart::FileForm,
    parts::{Field, Tone, area, badge},
};

/// The most bytes of a form. A larger document comes from its address.
const MOST: usize = 8 << 20;

pub async fn page(Admin(member): Admin) -> Page {
    draw(member, &Begin::default())
}

/// The form that a document comes with, and what is wrong with it.
#[derive(Default)]
struct Begin {
    url: String,
    document: String,
    server: String,
    mistakes: Vec<(String, String)>,
}

impl Begin {
    fn read(form: &FileForm) -> Self {
        let fields = &form.fields;
        let file = form.file("file").map(|file| String::from_utf8_lossy(file).into_owned());
        let document = file.unwrap_or_else(|| fields.raw("document").to_owned());
        let (url, server) = (fields.text("url").to_owned(), fields.text("server").to_owned());
        Self { url, document, server, mistakes: Vec::new() }
    }

    /// What is wrong with the member of an import's request.
    fn mistake(&self, path: &str) -> Option<String> {
        let found = self.mistakes.iter().find(|(known, _)| known == path);
        found.map(|(_, message)| sentence(message))
    }

    /// The document's text, fetched when it has an address.
    async fn text(&mut self, api: &Api, organization: OrganizationId) -> Result<String, ()> {
        let wrong = |path: &str, message: &str| vec![(path.to_owned(), message.to_owned())];
        if !self.document.trim().is_empty() {
            return Ok(self.document.clone());
        }
        if self.url.is_empty() {
            self.mistakes = wrong("document", "paste a document, choose a file, or give an address");
            return Err(());
        }
        match openapi_documents::get(&api.app, organization, &self.url).await {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => {
                self.mistakes = wrong("url", &error.to_string());
                Err(())
            }
        }
    }
}

pub async fn import(Admin(member): Admin, State(api): State<Api>, request: Request) -> Result<Response, PageError> {
    let organization = member.session.organization;
    let required = plans::require(&api.app.store, organization, Feature::CustomConnectors).await;
    required.map_err(Problem::from)?;
    let form = FileForm::read(&api, &member, request, MOST).await?;
    let mut begin = Begin::read(&form);
    let refused =
        |member, begin: &Begin| Ok(draw(member, begin).status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
    let Ok(text) = begin.text(&api, organization).await else { return refused(member, &begin) };
    let chosen: Vec<String> = form.fields.all("operation").into_iter().map(str::to_owned).collect();
    match make(&api, organization, text, chosen, &form.fields).await? {
        Ok(Made::List(list)) => Ok(choose(member, &begin, &list).into_response()),
        Ok(Made::Definition(Imported { definition, warnings })) => {
            let work = Work { text: text::pretty(&definition), remarks: warnings, ..Work::default() };
            Ok(text::draw(member, &work).into_response())
        }
        Err(error) => {
            begin.mistakes = told(&error);
            refused(member, &begin)
        }
    }
}

/// What a document became.
enum Made {
    List(OperationList),
    Definition(Imported),
}

/// Reads the document on a thread that may block.
async fn make(
    api: &Api,
    organization: OrganizationId,
    text: String,
    operations: Vec<String>,
    fields: &Fields,
) -> Result<Result<Made, ImportError>, Problem> {
    let filled = |name| fields.filled(name).map(str::to_owned);
    let wanted =
        ImportOptions { operations, id: filled("id"), name: filled("name"), version: None, server: filled("server") };
    let app = api.app.clone();
    let work = move || {
        let plain_http = |url: &str| app.egress.refuses_plain_http(url);
        let document = openapi::read(&text)?;
        if wanted.operations.is_empty() {
            return openapi::list_for(document, wanted.server.as_deref(), &plain_http).map(Made::List);
        }
        openapi::import_for(document, &wanted, &plain_http).map(Made::Definition)
    };
    api.readers.examine(organization, work).await
}

/// Each mistake with the member of an import's request that has it.
fn told(error: &ImportError) -> Vec<(String, String)> {
    match error {
        ImportError::Asked(mistakes) | ImportError::Unsound(mistakes) => mistakes
            .iter()
            .map(|mistake| (mistake.path.trim_start_matches('/').to_owned(), mistake.message.clone()))
            .collect(),
        ImportError::NotOpenApi(message) => vec![("document".to_owned(), message.clone())],
        ImportError::TooMany | ImportError::TooLarge { .. } | ImportError::OverBudget { .. } => {
            vec![("operations".to_owned(), error.to_string())]
        }
    }
}

fn files(member: &Member, body: &Markup) -> Markup {
    html! {
        form method="post" action=(OPENAPI) enctype="multipart/form-data" {
            input type="hidden" name=(csrf::FIELD) value=(member.form_token.as_str());
            (body)
        }
    }
}

fn lead() -> Markup {
    html! {
        "When the service publishes an OpenAPI or Swagger document, choose the operations you need: "
        (handbook("openapi-import", "what is imported, and what isn't")) "."
    }
}

/// Mistakes that belong to no field.
fn others(begin: &Begin) -> Markup {
    let known = ["url", "document", "server"];
    html! {
        @for (path, message) in begin.mistakes.iter().filter(|(path, _)| !known.contains(&path.as_str())) {
            p class="notice bad" role="alert" { @if !path.is_empty() { code { (path) } ": " } (sentence(message)) }
        }
    }
}

fn draw(member: Member, begin: &Begin) -> Page {
    let (of_url, of_document, of_server) = (begin.mistake("url"), begin.mistake("document"), begin.mistake("server"));
    let body = html! {
        (others(begin))
        (files(&member, &html! {
            section class="panel" {
                (Field {
                    kind: "url", name: "url", label: "Address of the document", value: &begin.url, error: of_url.as_deref(),
                    placeholder: Some("https://crm.example.com/openapi.json"),
                    hint: Some("Fetched by this host, under the same rules as pages of the knowledge."), ..Field::default()
                }.draw())
                div class="field" {
                    label for="f-file" { "Or a file" span class="optional" { "optional" } }
                    input type="file" id="f-file" name="file" accept=".json,.yaml,.yml";
                }
                (area(&Field {
                    name: "document", label: "Or its text", value: &begin.document, error: of_document.as_deref(),
                    hint: Some("JSON or YAML."), ..Field::default()
                }, 10, true))
                (Field {
                    kind: "url", name: "server", label: "Address of the service", value: &begin.server, error: of_server.as_deref(),
                    hint: Some("In place of the document's servers."), ..Field::default()
                }.draw())
                p class="form-end" { button class="button primary" { "List its operations" } }
            }
        }))
    };
    way(member, OPENAPI, lead(), body)
}

/// The operations to tick. A document that was pasted goes along; one with an address is fetched again.
fn choose(member: Member, begin: &Begin, list: &OperationList) -> Page {
    let OperationList { title, version, operations, more } = list;
    let body = html! {
        (files(&member, &html! {
            input type="hidden" name="url" value=(begin.url);
            input type="hidden" name="server" value=(begin.server);
            input type="hidden" name="document" value=(begin.document);
            section class="panel" {
                h2 { (title) " " span class="quiet" { (version) } }
                fieldset class="choices" {
                    legend { "Operations" }
                    @for (at, operation) in operations.iter().enumerate() { (one(at, operation)) }
                }
                @if *more { p class="hint" { "There are more operations than are listed." } }
                (Field { name: "name", label: "Name", value: "", placeholder: Some(title), length: Some(100), ..Field::default() }.draw())
                (Field { name: "id", label: "Id", value: "", placeholder: Some("made from the title"), ..Field::default() }.draw())
                p class="form-end" { button class="button primary" { "Make a definition of these" } a href=(OPENAPI) class="button" { "Another document" } }
            }
        }))
    };
    way(member, OPENAPI, lead(), body)
}

fn one(at: usize, operation: &OperationSummary) -> Markup {
    let OperationSummary { id, method, path, summary, supported, reason } = operation;
    let field = format!("f-operation-{at}");
    html! {
        div class="choice" {
            input type="checkbox" id=(field) name="operation" value=(id) disabled[!supported];
            label for=(field) {
                (badge(if method == "GET" { Tone::Quiet } else { Tone::Warn }, method)) " " code { (path) }
            }
            @if !summary.is_empty() { p class="hint" { (summary) } }
            @if let Some(reason) = reason { p class="hint" { "Can't be imported: " (sentence(reason)) } }
        }
    }
}
