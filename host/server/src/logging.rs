//! The log: to standard error, as text.

use tracing_subscriber::{EnvFilter, fmt};

/// A filter that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the log setting `{filter}` can't be read: {detail}")]
pub struct LogError {
    filter: String,
    detail: String,
}

/// Starts logging what `filter` asks for; `RUST_LOG` wins, as everywhere.
pub fn start(filter: &str) -> Result<(), LogError> {
    let filter = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty()).unwrap_or_else(|| filter.to_owned());
    let wrong = |detail: String| LogError { filter: filter.clone(), detail };
    let parsed = EnvFilter::try_new(&filter).map_err(|error| wrong(error.to_string()))?;
    fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init()
        .map_err(|error| wrong(error.to_string()))
}
