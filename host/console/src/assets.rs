//! The console's files: style, script and icon. Their addresses hold a hash of what they say, so a browser keeps them
//! for good.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

/// Where they are.
pub const PATH: &str = "/console/assets/{version}/{name}";

struct Asset {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
}

const fn style(name: &'static str, text: &'static str) -> Asset {
    Asset { name, content_type: "text/css; charset=utf-8", text }
}

const fn script(name: &'static str, text: &'static str) -> Asset {
    Asset { name, content_type: "text/javascript; charset=utf-8", text }
}

const ASSETS: [Asset; 9] = [
    style("console.css", include_str!("../assets/console.css")),
    script("console.js", include_str!("../assets/console.js")),
    script("canned.js", include_str!("../assets/canned.js")),
    script("countdown.js", include_str!("../assets/countdown.js")),
    script("live.js", include_str!("../assets/live.js")),
    script("playground.js", include_str!("../assets/playground.js")),
    script("refresh.js", include_str!("../assets/refresh.js")),
    script("transcript.js", include_str!("../assets/transcript.js")),
    Asset { name: "icon.svg", content_type: "image/svg+xml", text: include_str!("../assets/icon.svg") },
];

/// A hash of them all: modules import each other by relative paths, so they have one version.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in &ASSETS {
        hash.update(asset.text);
    }
    HEXLOWER.encode(&hash.finalize()[..8])
});

/// The address of a file.
pub fn url(name: &str) -> String {
    format!("/console/assets/{}/{name}", VERSION.as_str())
}

/// Serves a file. One of an earlier version is gone, and a page of that version is loaded again.
pub async fn file(Path((version, name)): Path<(String, String)>) -> Response {
    let asset = ASSETS.iter().find(|asset| asset.name == name && version == *VERSION);
    let Some(asset) = asset else { return StatusCode::NOT_FOUND.into_response() };
    let mut response = asset.text.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
