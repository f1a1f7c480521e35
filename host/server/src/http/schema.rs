//! The shapes of answers, for the OpenAPI document. Handlers write most of them as JSON by hand; a test sends requests
//! through the router and holds the answers against these.
#![expect(dead_code, reason = "these types are read by utoipa's derive, not built")]

use utoipa::ToSchema;

/// RFC 9457. `type` is a path on this host, where the problem is explained.
#[derive(ToSchema)]
pub struct Problem {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    /// Every mistake of a request that is well-formed but wrong.
    errors: Option<Vec<Mistake>>,
    /// Which limit of the plan was reached.
    limit: Option<Limit>,
    /// Which query parameter is wrong, and what it, or the route, allows.
    parameter: Option<String>,
    allowed: Option<Vec<String>>,
}

#[derive(ToSchema)]
pub struct Mistake {
    path: String,
    message: String,
}

#[derive(ToSchema)]
pub struct Limit {
    meter: String,
    limit: u64,
    used: u64,
    resets_at: String,
}
