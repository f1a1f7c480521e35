//! `/api/admin/crawls`: sites whose pages are sources, and lists whose items are.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use resly_core::{
    id::{ConnectionId, CrawlId},
    knowledge::crawl::{self, CrawlStatus, CrawledPageState},
    time::Timestamp,
};
use resly_service::{
    App,
    crawls::{self, CrawlDetails, NewCrawl, NewList},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    body,
    guard::Admin,
    openapi_enums,
    problem::Problem,
    query::{NoParameters, Query},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CrawlRequest {
    /// Where the crawl of a site starts. Only pages of this site are read.
    url: Option<String>,
    /// The list whose items are read, instead of a site.
    list: Option<CrawlListRequest>,
    /// Links that are followed from the start or from a page of the sitemap, 0 to 10; 3 when absent.
    depth: Option<u32>,
    /// Pages or items, 1 to 10,000; 500 when absent.
    most_pages: Option<u32>,
    /// Bytes that one run may fetch, at most 4 GiB; 256 MiB when absent.
    most_bytes: Option<u64>,
    /// Beginnings of paths, such as `/help/`. Where there are some, only pages with one of them are read.
    #[serde(default)]
    include: Vec<String>,
    /// Beginnings of paths that aren't read.
    #[serde(default)]
    exclude: Vec<String>,
    /// A sitemap of the site, besides those that its robots.txt names.
    sitemap: Option<String>,
    /// Seconds between two runs, 300 to 2,592,000. It runs once when absent.
    refresh_every_s: Option<u32>,
}

/// An action of a connection that lists items.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CrawlListRequest {
    /// The id of an enabled connection with the organization's own account.
    connection: String,
    /// An action that only reads.
    action: String,
    /// The action's input; none when absent.
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    input: Option<Value>,
    /// A jq filter that makes `{"items": [{"id", "title", "url", "text"}], "next"}` of the output. `markdown` or `html` may
    /// take the place of `text`.
    mapping: String,
    /// The member of the input that takes `next` to ask for the next page. Without it, the list has one page.
    cursor_input: Option<String>,
    /// Calls of one run, 1 to 1,000; 100 when absent.
    most_calls: Option<u32>,
}

/// A crawl, with the pages of its newest run.
#[derive(Serialize, ToSchema)]
pub struct Crawl {
    #[schema(value_type = String, format = "uuid")]
    id: CrawlId,
    /// Where it starts, when it reads a site.
    #[schema(required)]
    url: Option<String>,
    /// The list that it reads, when it reads no site.
    #[schema(required)]
    list: Option<CrawlList>,
    #[schema(value_type = openapi_enums::CrawlStatus)]
    status: CrawlStatus,
    /// Why the newest run could not go on, or waits.
    #[schema(required)]
    failure: Option<String>,
    depth: u32,
    most_pages: u32,
    most_bytes: u64,
    include: Vec<String>,
    exclude: Vec<String>,
    #[schema(required)]
    sitemap: Option<String>,
    #[schema(required)]
    refresh_every_s: Option<u32>,
    /// The number of the newest run; 0 before the first.
    run: u64,
    pages: CrawlPages,
    /// Bytes that the newest run fetched.
    bytes: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// When it goes on, or runs next.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    next_run_at: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
pub struct CrawlList {
    #[schema(value_type = String, format = "uuid")]
    connection: ConnectionId,
    action: String,
    #[schema(value_type = BTreeMap<String, Value>)]
    input: Value,
    mapping: String,
    #[schema(required)]
    cursor_input: Option<String>,
    most_calls: u32,
}

/// Pages of a site, or items of a list.
#[derive(Serialize, ToSchema)]
pub struct CrawlPages {
    found: u64,
    /// Those of `found` that were asked for.
    read: u64,
    /// Pages that are sources.
    ready: u64,
    /// Pages that could not be asked for; what was known of them stays.
    failed: u64,
    /// Pages that are no source, for a reason.
    skipped: u64,
    /// Links or items beyond `most_pages`, counted on each page that has them.
    left_out: u64,
}

impl From<crawl::Crawl> for Crawl {
    fn from(crawl: crawl::Crawl) -> Self {
        let crawl::Crawl { id, url, settings, status, failure, run, bytes, counts, .. } = crawl;
        let crawl::Crawl { created_at, started_at, ended_at, due_at: next_run_at, .. } = crawl;
        let crawl::CrawlSettings { depth, most_pages, most_bytes, include, exclude, .. } = settings;
        let crawl::CrawlSettings { sitemap, refresh_every_s, list, .. } = settings;
        let url = list.is_none().then_some(url);
        let list = list.map(|list| {
            let crawl::ListSettings { connection, action, input, mapping, cursor_input, most_calls } = list;
            CrawlList { connection, action, input, mapping, cursor_input, most_calls }
        });
        let crawl::CrawlCounts { found, ready, failed, skipped, left_out } = counts;
        let pages = CrawlPages { found, read: ready + failed + skipped, ready, failed, skipped, left_out };
        Self {
            id,
            url,
            list,
            status,
            failure,
            depth,
            most_pages,
            most_bytes,
            include,
            exclude,
            sitemap,
            refresh_every_s,
            run,
            pages,
            bytes,
            created_at,
            started_at,
            ended_at,
            next_run_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Crawls {
    /// Newest first.
    crawls: Vec<Crawl>,
}

#[derive(Serialize, ToSchema)]
pub struct CrawlWithPages {
    #[serde(flatten)]
    crawl: Crawl,
    /// Pages and items of the newest run that failed or were skipped, at most 200, in order of their URLs or ids.
    omitted: Vec<OmittedPage>,
}

#[derive(Serialize, ToSchema)]
pub struct OmittedPage {
    /// The id of an item.
    url: String,
    #[schema(value_type = openapi_enums::CrawledPageState)]
    state: CrawledPageState,
    reason: String,
}

/// Adds a crawl, or changes the one with the same `url`, or with the same connection, action and input. It runs soon.
#[utoipa::path(post, path = "/api/admin/crawls", tag = "admin", operation_id = "createCrawl", request_body = CrawlRequest,
    responses((status = 201, description = "The crawl, which is new", body = Crawl),
        (status = 200, description = "The crawl that was changed", body = Crawl)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    body::Json(request): body::Json<CrawlRequest>,
) -> Result<Response, Problem> {
    let CrawlRequest { url, list, depth, most_pages, most_bytes, include, exclude, sitemap, refresh_every_s } = request;
    let list = list.map(|list| {
        let CrawlListRequest { connection, action, input, mapping, cursor_input, most_calls } = list;
        NewList { connection, action, input, mapping, cursor_input, most_calls }
    });
    let new = NewCrawl { url, list, depth, most_pages, most_bytes, include, exclude, sitemap, refresh_every_s };
    let (crawl, is_new) = crawls::add(&app, principal.organization, new).await?;
    let place = [(header::LOCATION, format!("/api/admin/crawls/{}", crawl.id))];
    let shown = Json(Crawl::from(crawl));
    Ok(if is_new { (StatusCode::CREATED, place, shown).into_response() } else { shown.into_response() })
}

/// The organization's crawls, newest first.
#[utoipa::path(get, path = "/api/admin/crawls", tag = "admin", operation_id = "listCrawls",
    responses((status = 200, description = "The crawls", body = Crawls)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<Crawls>, Problem> {
    let crawls = app.store.crawls(principal.organization).await?;
    Ok(Json(Crawls { crawls: crawls.into_iter().map(Crawl::from).collect() }))
}

/// One crawl, with the pages that are no sources.
#[utoipa::path(get, path = "/api/admin/crawls/{id}", tag = "admin", operation_id = "getCrawl",
    params(("id" = String, Path, description = "The crawl's id")),
    responses((status = 200, description = "The crawl", body = CrawlWithPages)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
    _: Query<NoParameters>,
) -> Result<Json<CrawlWithPages>, Problem> {
    let CrawlDetails { crawl, omitted } = crawls::find(&app, principal.organization, id_of(&id)?).await?;
    let page = |page: crawl::OmittedPage| OmittedPage { url: page.url, state: page.state, reason: page.reason };
    Ok(Json(CrawlWithPages { crawl: crawl.into(), omitted: omitted.into_iter().map(page).collect() }))
}

/// Has a crawl run soon. One that is running goes on.
#[utoipa::path(post, path = "/api/admin/crawls/{id}/run", tag = "admin", operation_id = "runCrawl",
    params(("id" = String, Path, description = "The crawl's id")),
    responses((status = 202, description = "The crawl", body = Crawl)))]
pub async fn run(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Crawl>), Problem> {
    let crawl = crawls::run_now(&app, principal.organization, id_of(&id)?).await?;
    Ok((StatusCode::ACCEPTED, Json(crawl.into())))
}

/// Deletes a crawl and the sources of its pages.
#[utoipa::path(delete, path = "/api/admin/crawls/{id}", tag = "admin", operation_id = "deleteCrawl",
    params(("id" = String, Path, description = "The crawl's id")),
    responses((status = 204, description = "It is gone")))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    crawls::delete(&app, principal.organization, id_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn id_of(text: &str) -> Result<CrawlId, Problem> {
    text.parse().map_err(|_| Problem::not_found("there is no such crawl"))
}
