//! Uploads a packed component. Nothing of it runs before an admin has read its manifest and approved it.

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::html;
use resly_core::plan::Feature;
use resly_http::{Api, body, problem::Problem};
use resly_service::{
    connectors::{self, ConnectorError, Uploaded},
    plans,
    upload::{InspectError, inspect},
};

use super::{UPLOAD, handbook, mistakes::Mistakes, way};
use crate::{access::Admin, csrf, error::PageError, frame::Page, member::Member, multipart::FileForm, reply};

/// The most bytes of a form: a component, and what is around it.
const MOST: usize = body::COMPONENT_CAP + (64 << 10);

pub async fn page(Admin(member): Admin) -> Page {
    draw(member, &Mistakes::default())
}

pub async fn take(Admin(member): Admin, State(api): State<Api>, request: Request) -> Result<Response, PageError> {
    let organization = member.session.organization;
    let required = plans::require(&api.app.store, organization, Feature::CustomConnectors).await;
    required.map_err(Problem::from)?;
    let form = FileForm::read(&api, &member, request, MOST).await?;
    let Some(wasm) = form.file("component").cloned() else {
        return Ok(refused(member, [(String::new(), "choose a file".to_owned())]));
    };
    let bytes = wasm.clone();
    let inspected = match api.readers.examine(organization, move || inspect(&bytes)).await? {
        Ok(inspected) => inspected,
        Err(error) => return Ok(wrong(member, &error)),
    };
    match connectors::upload(&api.app, organization, wasm, inspected).await {
        Ok(Uploaded { connector, is_new }) => {
            let manifest = &connector.chosen.installable.manifest;
            let notice =
                if is_new { "It is uploaded. Read what it asks for." } else { "The same component was here already." };
            Ok(reply::done(&format!("/console/connectors/{}/versions/{}", manifest.id, manifest.version), notice))
        }
        Err(ConnectorError::Component(mistakes)) => {
            Ok(refused(member, mistakes.into_iter().map(|mistake| (mistake.path, mistake.message))))
        }
        Err(error) => {
            let problem = Problem::from(error);
            if problem.kind().status.is_server_error() {
                return Err(problem.into());
            }
            Ok(refused(member, [(String::new(), problem.detail().to_owned())]))
        }
    }
}

fn wrong(member: Member, error: &InspectError) -> Response {
    refused(member, error.mistakes().into_iter().map(|mistake| (mistake.path, mistake.message)))
}

fn refused(member: Member, mistakes: impl IntoIterator<Item = (String, String)>) -> Response {
    draw(member, &Mistakes::new(mistakes)).status(StatusCode::UNPROCESSABLE_ENTITY).into_response()
}

fn draw(member: Member, mistakes: &Mistakes) -> Page {
    let body = html! {
        (mistakes.summary())
        section class="panel" {
            form method="post" action=(UPLOAD) enctype="multipart/form-data" {
                input type="hidden" name=(csrf::FIELD) value=(member.form_token.as_str());
                div class="field" {
                    label for="f-component" { "Packed component" }
                    input type="file" id="f-component" name="component" accept=".wasm,application/wasm" required;
                    p class="hint" { "What " code { "resly connector pack" } " writes: a component with its manifest, at most 32 MiB." }
                }
                p class="form-end" { button class="button primary" { "Upload" } }
            }
        }
        section class="panel" {
            h2 { "What happens then" }
            ol {
                li { "The host reads the manifest and the signature, and refuses what can't run. Nothing of the file runs." }
                li { "It compiles the component in a process of its own. That takes from a moment to a minute." }
                li { "You read what it asks for: hosts, credentials, actions, limits. It can be installed once an admin has approved that." }
            }
            p { "Whose signature is trusted, and whether one is needed: " a href="/console/connectors/publishers" { "publishers" } "." }
        }
    };
    let lead = html! { "A connector that is a program: " (handbook("writing-a-connector", "write one in Rust")) "." };
    way(member, UPLOAD, lead, body)
}
