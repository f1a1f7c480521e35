//! Decides whether a connector's version needs an admin's approval. An uploaded version does, unless it asks for no
//! more than a version that was approved before.

use resly_manifest::{Auth, Change, Changes, Manifest, compare, signature::PublicKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::connection::Origin;

const HTTP: &str = "resly:connector/http@";

/// Whether a version may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// It is bundled or declarative, or asks for no more than an approved version.
    NotNeeded,
    /// An admin has to review what it asks for.
    Pending,
    Approved,
    Rejected,
}

impl Approval {
    pub fn allows(self) -> bool {
        matches!(self, Self::NotNeeded | Self::Approved)
    }
}

/// What a version asks for, and who signed it.
#[derive(Clone, Debug)]
pub struct RequestedGrants {
    pub manifest: Manifest,
    /// The key whose valid signature the file has.
    pub signer: Option<PublicKey>,
}

/// How a version differs from an approved one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GrantChanges {
    /// The approved version that it is compared with.
    pub against: String,
    #[serde(flatten)]
    pub changes: Changes,
}

/// Compares a version with the approved ones, newest first. Returns the first comparison in which it asks for no more,
/// or else the comparison with the newest. `None` when no version is approved.
pub fn grant_changes(approved: &[RequestedGrants], asked: &RequestedGrants) -> Option<GrantChanges> {
    let mut differences = approved.iter().map(|approved| {
        let mut changes = compare(&approved.manifest, &asked.manifest);
        // An unsigned version has no known author, so any signer of the next version is acceptable.
        if let Some(signer) = &approved.signer
            && asked.signer.as_ref() != Some(signer)
        {
            changes.wider.push(Change {
                path: String::new(),
                before: json!(signer),
                after: asked.signer.as_ref().map_or(Value::Null, |signer| json!(signer)),
                what: "is not signed with the key that signed what was approved".to_owned(),
            });
        }
        GrantChanges { against: approved.manifest.version.clone(), changes }
    });
    let newest = differences.next()?;
    if newest.changes.wider.is_empty() {
        return Some(newest);
    }
    Some(differences.find(|difference| difference.changes.wider.is_empty()).unwrap_or(newest))
}

/// The first approval state of a new version.
pub fn initial_approval(origin: Origin, approved: &[RequestedGrants], asked: &RequestedGrants) -> Approval {
    match origin {
        Origin::Bundled | Origin::Declarative => Approval::NotNeeded,
        Origin::Uploaded => match grant_changes(approved, asked) {
            Some(difference) if difference.changes.wider.is_empty() => Approval::NotNeeded,
            _ => Approval::Pending,
        },
    }
}

/// Notes where a component's imports and its manifest disagree. They are no reason to refuse it, because only what the
/// manifest asks for is granted.
pub fn import_warnings(manifest: &Manifest, imports: &[String]) -> Vec<String> {
    let sends = imports.iter().any(|import| import.starts_with(HTTP));
    let mut remarks = Vec::new();
    if sends && manifest.hosts.is_empty() {
        remarks.push("it imports `resly:connector/http` and names no `hosts`: every request it sends is refused");
    }
    if !sends && !manifest.hosts.is_empty() {
        remarks.push("it names `hosts` and doesn't import `resly:connector/http`: it can't call them");
    }
    if manifest.hosts.is_empty() && manifest.auths().any(|auth| *auth != Auth::None) {
        remarks.push("it asks for a credential and names no `hosts` that would get it");
    }
    remarks.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(version: &str, hosts: &[&str], signer: Option<u8>) -> RequestedGrants {
        let manifest = serde_json::from_value(json!({
            "id": "crm", "name": "CRM", "version": version, "hosts": hosts,
            "actions": [{"id": "get", "title": "Get", "description": "Gets."}]
        }))
        .unwrap();
        RequestedGrants { manifest, signer: signer.map(|n| PublicKey([n; 32])) }
    }

    #[test]
    fn an_upload_waits_until_as_much_was_approved() {
        let asked = asking("2.0.0", &["a.example"], None);
        let first = |approved: &[RequestedGrants]| initial_approval(Origin::Uploaded, approved, &asked);
        assert_eq!(first(&[]), Approval::Pending);
        assert_eq!(first(&[asking("1.0.0", &["b.example"], None)]), Approval::Pending);
        assert_eq!(first(&[asking("1.0.0", &["a.example", "b.example"], None)]), Approval::NotNeeded);
        assert_eq!(initial_approval(Origin::Declarative, &[], &asked), Approval::NotNeeded);
    }

    #[test]
    fn the_comparison_is_with_the_version_that_comes_closest() {
        let approved = [asking("1.1.0", &["b.example"], None), asking("1.0.0", &["a.example"], None)];
        let against = |hosts: &[&str]| grant_changes(&approved, &asking("2.0.0", hosts, None)).unwrap().against;
        assert_eq!(against(&["a.example"]), "1.0.0");
        assert_eq!(against(&["b.example"]), "1.1.0");
        assert_eq!(against(&["c.example"]), "1.1.0", "the newest when all of it is new");
        assert_eq!(grant_changes(&[], &asking("2.0.0", &[], None)), None);
    }

    #[test]
    fn another_signer_than_the_approved_one_waits() {
        let first = |before, after| {
            initial_approval(Origin::Uploaded, &[asking("1.0.0", &[], before)], &asking("2.0.0", &[], after))
        };
        assert_eq!(first(Some(1), Some(1)), Approval::NotNeeded);
        assert_eq!(first(None, Some(1)), Approval::NotNeeded);
        assert_eq!(first(Some(1), Some(2)), Approval::Pending);
        assert_eq!(first(Some(1), None), Approval::Pending);
    }

    #[test]
    fn imports_are_held_against_what_is_asked_for() {
        let count = |hosts: &[&str], auth: Auth, imports: &[&str]| {
            let manifest = Manifest { auth, ..asking("1.0.0", hosts, None).manifest };
            let imports: Vec<String> = imports.iter().map(|import| (*import).to_owned()).collect();
            import_warnings(&manifest, &imports).len()
        };
        let http = "resly:connector/http@1.0.0";
        let others = ["resly:connector/log@1.0.0", "resly:connector/state@1.0.0", "resly:connector/mapping@1.0.0"];
        assert_eq!(count(&["a.example"], Auth::Bearer, &[http]), 0);
        assert_eq!(count(&[], Auth::None, &others), 0);
        assert_eq!(count(&[], Auth::None, &[http]), 1);
        assert_eq!(count(&["a.example"], Auth::None, &others), 1);
        assert_eq!(count(&[], Auth::Bearer, &others), 1);
    }
}
