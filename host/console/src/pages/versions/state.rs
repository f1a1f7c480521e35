//! The state of a version in a word, and what it means.

use maud::Markup;
use resly_core::connector::{approval::Approval, connection::Origin};
use resly_service::catalogue::CatalogEntry;
use resly_store::{Trust, VersionState};

use crate::parts::{Tone, badge};

/// Whether a version can be installed, and why not.
pub fn state(entry: &CatalogEntry) -> Markup {
    let (tone, text) = match (entry.state, entry.approval) {
        (VersionState::Compiling, _) => (Tone::Quiet, "Compiling"),
        (VersionState::Refused, _) => (Tone::Bad, "Refused"),
        (VersionState::Deleted, _) => (Tone::Quiet, "Deleted"),
        (VersionState::Ready, Approval::Pending) => (Tone::Warn, "Waits for approval"),
        (VersionState::Ready, Approval::Rejected) => (Tone::Bad, "Rejected"),
        (VersionState::Ready, Approval::Approved) => (Tone::Good, "Approved"),
        (VersionState::Ready, Approval::NotNeeded) => (Tone::Good, "Ready"),
    };
    badge(tone, text)
}

pub fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Bundled => "Comes with the host",
        Origin::Declarative => "Definition",
        Origin::Uploaded => "Upload",
    }
}

/// Whose signature a file has.
pub fn signature(entry: &CatalogEntry, trust: &Trust) -> String {
    match entry.signer.as_ref().map(|signer| (signer, trust.publisher(signer))) {
        None => "not signed".to_owned(),
        Some((_, Some(publisher))) => publisher.name.clone(),
        Some((signer, None)) => format!("a key that isn't trusted here: {signer}"),
    }
}
