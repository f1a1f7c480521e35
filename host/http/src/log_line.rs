//! The JSON of a line that a connector logged, in answers and problems.

use resly_core::connector::sandbox::{self, LogLevel};
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi_enums;

/// A line that a connector logged.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogLine {
    #[schema(value_type = openapi_enums::LogLevel)]
    level: LogLevel,
    message: String,
}

impl LogLine {
    pub fn all(log: Vec<sandbox::LogLine>) -> Vec<Self> {
        log.into_iter().map(|sandbox::LogLine { level, message }| Self { level, message }).collect()
    }
}
