//! `/console/connectors/{id}/versions`: the versions of a connector, what each asks for, and an admin's decision.

mod decide;
mod list;
mod manifest;
mod state;
mod version;

pub use self::{
    decide::{approve, delete, reject},
    list::page as list,
    version::page as version,
};

/// The page of a version.
fn path(id: &str, version: &str) -> String {
    format!("/console/connectors/{id}/versions/{version}")
}
