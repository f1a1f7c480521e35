//! `/docs`: the handbook that the binary carries, and `/docs/problems`, where a problem's `type` leads.

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};

use super::problem::{Problem, kinds};
use crate::handbook;

/// One page of the handbook, as Markdown.
pub async fn page(Path(page): Path<String>) -> Result<Response, Problem> {
    let name = page.strip_suffix(".md").unwrap_or(&page);
    let page = handbook::page(name).ok_or_else(|| Problem::not_found("the handbook has no such page"))?;
    Ok(markdown(page.text.to_owned()))
}

/// The handbook's pages.
pub async fn index() -> Response {
    let mut text = "# Handbook\n\n".to_owned();
    for page in handbook::PAGES {
        text.push_str(&format!("- [{}](/docs/{})\n", page.title(), page.name));
    }
    text.push_str("- [Problems](/docs/problems)\n");
    markdown(text)
}

/// Every problem.
pub async fn problems() -> Response {
    markdown(handbook::problems())
}

/// One problem: what it means and what to do next.
pub async fn problem(Path(slug): Path<String>) -> Result<Response, Problem> {
    let kind = kinds::ALL.iter().find(|kind| kind.slug == slug);
    let kind = kind.ok_or_else(|| Problem::not_found("there is no such problem"))?;
    Ok(markdown(format!("# {}\n\n`{}` · {}\n\n{}\n", kind.title, kind.slug, kind.status, kind.explanation)))
}

fn markdown(text: String) -> Response {
    let mut response = text.into_response();
    let value = HeaderValue::from_static("text/markdown; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}
