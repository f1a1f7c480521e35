//! `/console/knowledge/new`: adds a text, a file, a page or a site.

use axum::{
    extract::{Query, Request, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{
    knowledge::{Source, SourceStatus},
    plan::Feature,
};
use resly_http::{Api, problem::Problem};
use resly_service::{
    analytics,
    crawls::{self, NewCrawl},
    plans,
    sources::{self, FILE_MOST, NewFile, NewPage},
};
use serde::Deserialize;

use super::text_form::{TextForm, cut};
use crate::{
    access::Admin,
    csrf::{self, FormToken},
    error::PageError,
    fields::{Fields, Submitted},
    frame::Page,
    member::Member,
    mistakes::Mistakes,
    multipart::{FileForm, SentFile},
    numbers::counted,
    parts::{Choice, Field, area, form, select, submit, tabs},
    reply,
};

const KINDS: [(&str, &str); 4] =
    [("text", "Write a text"), ("file", "Upload a file"), ("page", "A page"), ("site", "A site")];
/// How often something is read again, in seconds.
const REFRESH: [(&str, &str); 4] =
    [("", "Never"), ("3600", "Every hour"), ("86400", "Every day"), ("604800", "Every week")];

/// Bytes of a form beside its file.
const BESIDE: usize = 64 << 10;

#[derive(Default, Deserialize)]
pub struct AddParameters {
    #[serde(default)]
    kind: String,
    /// Fills the field of the address.
    #[serde(default)]
    url: String,
    /// A group of unanswered questions, from which title and text are drafted.
    draft: Option<uuid::Uuid>,
}

pub async fn page(
    Admin(member): Admin,
    State(api): State<Api>,
    Query(asked): Query<AddParameters>,
) -> Result<Page, PageError> {
    let mut fields = vec![("url".to_owned(), asked.url)];
    if let Some(group) = asked.draft
        && let Some(draft) = analytics::draft(&api.app, member.session.organization, group).await?
    {
        fields.extend([("title".to_owned(), draft.title), ("text".to_owned(), draft.text)]);
    }
    Ok(draw(member, &asked.kind, &Fields::new(fields), &Mistakes::default()))
}

/// The page with what was typed and what is wrong with it.
fn draw(member: Member, kind: &str, fields: &Fields, mistakes: &Mistakes) -> Page {
    let kind = KINDS.iter().find(|(name, _)| *name == kind).map_or("text", |(name, _)| *name);
    let at = |kind: &str| format!("/console/knowledge/new?kind={kind}");
    let pages = KINDS.map(|(name, title)| (at(name), title));
    let token = &member.form_token;
    let body = html! {
        section class="panel" {
            @match kind {
                "file" => (file_form(token, fields, mistakes)),
                "page" => (page_form(token, fields, mistakes)),
                "site" => (site_form(token, fields, mistakes)),
                _ => (TextForm::submitted(fields).draw(token, "/console/knowledge/text", "Add the text", mistakes)),
            }
        }
    };
    let bar = tabs("What to add", &at(kind), &pages);
    Page::new(member, "Add knowledge", body).above("/console/knowledge", "Knowledge").tabs(bar)
}

/// The page again, after a form that could not be done.
fn refused(member: Member, kind: &str, fields: &Fields, problem: Problem) -> Result<Response, PageError> {
    let mistakes = Mistakes::of(problem)?;
    Ok(draw(member, kind, fields, &mistakes).status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
}

fn file_form(token: &FormToken, fields: &Fields, mistakes: &Mistakes) -> Markup {
    let title = Field {
        name: "title",
        label: "Title",
        value: fields.text("title"),
        error: mistakes.at("title"),
        hint: Some("The document's own when empty."),
        length: Some(300),
        ..Field::default()
    };
    let url = Field {
        kind: "url",
        name: "url",
        label: "Address",
        value: fields.text("url"),
        error: mistakes.at("url"),
        hint: Some("Where people read it, if they can. A file with the same address is replaced."),
        placeholder: Some("https://"),
        ..Field::default()
    };
    let error = mistakes.at("$").or(mistakes.at("filename")).or(mistakes.at("file"));
    html! {
        (mistakes.notice(&["title", "url", "$", "filename", "file"]))
        form method="post" action="/console/knowledge/file" enctype="multipart/form-data" {
            input type="hidden" name=(csrf::FIELD) value=(token.as_str());
            div class="field" {
                label for="f-file" { "File" }
                input type="file" id="f-file" name="file" required accept=".pdf,.docx,.html,.htm,.md,.markdown,.txt,.csv"
                    aria-invalid=[error.map(|_| "true")] aria-describedby="f-file-hint";
                @if let Some(error) = error { p class="mistake" { (error) } }
                p class="hint" id="f-file-hint" { "PDF, DOCX, HTML, Markdown, CSV or plain text, up to 16 MB." }
            }
            (title.draw())
            (url.draw())
            (submit("Upload"))
        }
    }
}

fn refresh_field(fields: &Fields, mistakes: &Mistakes) -> Markup {
    let every = Field {
        name: "refresh",
        label: "Read it again",
        value: fields.text("refresh"),
        error: mistakes.at("refresh_every_s"),
        required: true,
        hint: Some("Passages that didn't change aren't counted again."),
        ..Field::default()
    };
    select(&every, &REFRESH.map(|(value, label)| Choice { value, label, hint: None }))
}

fn page_form(token: &FormToken, fields: &Fields, mistakes: &Mistakes) -> Markup {
    let url = Field {
        kind: "url",
        name: "url",
        label: "Address",
        value: fields.text("url"),
        error: mistakes.at("url"),
        required: true,
        hint: Some("A public page. It is read by this host, without a sign-in and without running its scripts."),
        placeholder: Some("https://"),
        ..Field::default()
    };
    let title = Field {
        name: "title",
        label: "Title",
        value: fields.text("title"),
        error: mistakes.at("title"),
        hint: Some("The page's own when empty."),
        length: Some(300),
        ..Field::default()
    };
    html! {
        (mistakes.notice(&["url", "title", "refresh_every_s"]))
        (form(token, "/console/knowledge/page", &html! {
            (url.draw()) (title.draw()) (refresh_field(fields, mistakes)) (submit("Read the page"))
        }))
    }
}

fn site_form(token: &FormToken, fields: &Fields, mistakes: &Mistakes) -> Markup {
    let line = |name, label, member, hint, placeholder| Field {
        name,
        label,
        value: fields.text(name),
        error: mistakes.at(member),
        hint: Some(hint),
        placeholder: Some(placeholder),
        ..Field::default()
    };
    let url = Field {
        kind: "url",
        required: true,
        ..line(
            "url",
            "Address",
            "url",
            "Where the crawl starts. Only pages of this site are read, as its robots.txt allows.",
            "https://",
        )
    };
    let pages = Field { kind: "number", ..line("pages", "Most pages", "most_pages", "1 to 10,000.", "500") };
    let depth = Field {
        kind: "number",
        ..line("depth", "Links to follow", "depth", "From the start or a page of the sitemap, 0 to 10.", "3")
    };
    let sitemap = Field {
        kind: "url",
        ..line("sitemap", "Sitemap", "sitemap", "If robots.txt doesn't name it.", "https://…/sitemap.xml")
    };
    let prefixes = |name, label, hint| {
        let field = Field { value: fields.raw(name), ..line(name, label, name, hint, "/help/") };
        area(&field, 3, true)
    };
    html! {
        (mistakes.notice(&["url", "most_pages", "depth", "sitemap", "include", "exclude", "refresh_every_s"]))
        (form(token, "/console/knowledge/site", &html! {
            (url.draw())
            div class="columns" {
                div { (pages.draw()) (depth.draw()) (sitemap.draw()) }
                div {
                    (prefixes("include", "Only paths that begin with", "One to a line. All of the site when empty."))
                    (prefixes("exclude", "Not paths that begin with", "One to a line."))
                }
            }
            (refresh_field(fields, mistakes))
            (submit("Read the site"))
        }))
    }
}

pub async fn add_text(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let organization = member.session.organization;
    let added = match cut(&api, organization, TextForm::submitted(&fields).source()).await {
        Ok(new) => sources::add(&api.app, organization, new).await.map_err(Problem::from),
        Err(problem) => Err(problem),
    };
    match added {
        Ok(added) => {
            let notice = format!("It is added, in {}, and found from now on.", counted(added.chunks.into(), "passage"));
            Ok(reply::done(&format!("/console/knowledge/{}", added.id), &notice))
        }
        Err(problem) => refused(member, "text", &fields, problem),
    }
}

/// What a source that was read, or waits to be, leads to.
fn taken(source: &Source) -> Response {
    let to = format!("/console/knowledge/{}", source.id);
    match source.status {
        SourceStatus::Ready => {
            let notice = format!("It is read, in {}, and found from now on.", counted(source.chunks.into(), "passage"));
            reply::done(&to, &notice)
        }
        SourceStatus::Queued | SourceStatus::Reading => {
            reply::done(&to, "It is being read. This page says when it is done.")
        }
        SourceStatus::Failed => reply::redirect(&to),
    }
}

pub async fn add_file(Admin(member): Admin, State(api): State<Api>, request: Request) -> Result<Response, PageError> {
    let organization = member.session.organization;
    let mut form = FileForm::read(&api, &member, request, FILE_MOST + BESIDE).await?;
    let file = form.take_file("file");
    let FileForm { fields, .. } = form;
    let Some(SentFile { name, content_type, bytes }) = file else {
        let mistakes = Mistakes::only("file", "Choose a file.");
        return Ok(draw(member, "file", &fields, &mistakes).status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
    };
    let of = |name| fields.filled(name).map(str::to_owned);
    let new = NewFile { bytes, content_type, filename: Some(name), title: of("title"), url: of("url"), key: None };
    let uploaded = match plans::require(&api.app.store, organization, Feature::Documents).await {
        Ok(()) => sources::upload(&api.app, organization, new).await.map_err(Problem::from),
        Err(error) => Err(error.into()),
    };
    match uploaded {
        Ok(file) => Ok(taken(&file.source)),
        Err(problem) => refused(member, "file", &fields, problem),
    }
}

pub async fn add_page(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let organization = member.session.organization;
    let new = NewPage {
        url: fields.text("url").to_owned(),
        title: fields.filled("title").map(str::to_owned),
        refresh_every_s: fields.text("refresh").parse().ok(),
    };
    match sources::add_page(&api.app, organization, new).await.map_err(Problem::from) {
        Ok(page) => Ok(taken(&page.source)),
        Err(problem) => refused(member, "page", &fields, problem),
    }
}

pub async fn add_site(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let organization = member.session.organization;
    let added = match plans::require(&api.app.store, organization, Feature::Crawls).await {
        Ok(()) => match new_crawl(&fields) {
            Ok(new) => crawls::add(&api.app, organization, new).await.map_err(Problem::from),
            Err(problem) => Err(problem),
        },
        Err(error) => Err(error.into()),
    };
    match added {
        Ok((crawl, _)) => {
            Ok(reply::done(&format!("/console/knowledge/crawls/{}", crawl.id), "The site will be read in a moment."))
        }
        Err(problem) => refused(member, "site", &fields, problem),
    }
}

fn new_crawl(fields: &Fields) -> Result<NewCrawl, Problem> {
    let number = |name: &str, member: &'static str| match fields.filled(name) {
        None => Ok(None),
        Some(text) => text.parse::<u32>().map(Some).map_err(|_| Problem::invalid_at(member, "a number is expected")),
    };
    let lines = |name: &str| {
        fields.raw(name).lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    };
    Ok(NewCrawl {
        url: fields.filled("url").map(str::to_owned),
        list: None,
        depth: number("depth", "depth")?,
        most_pages: number("pages", "most_pages")?,
        most_bytes: None,
        include: lines("include"),
        exclude: lines("exclude"),
        sitemap: fields.filled("sitemap").map(str::to_owned),
        refresh_every_s: fields.text("refresh").parse().ok(),
    })
}
