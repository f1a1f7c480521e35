//! The audit log: an entry for each change that somebody asked for, in its transaction.

use resly_core::{
    actor::{self, Actor, ActorKind},
    connector::account::SealedCredentials,
    id::{KeyId, OrganizationId, WorkflowId},
    meter::Meter,
    principal::Scope,
    time::Timestamp,
    workflow::Workflow,
};
use resly_store::{AuditEntry, AuditQuery, ConnectionChange, Cursor, KeyChange, KeyChangeError, NewKey, Store};
use serde_json::{Value, json};

use crate::{
    backend::{Backend, at, change_limits, key, organization, successor, uuid},
    both,
    connections::connection,
};

async fn entries(store: &Store, organization: OrganizationId) -> Vec<AuditEntry> {
    store.audit_log(organization, AuditQuery { limit: 100, ..AuditQuery::default() }).await.unwrap()
}

fn actions(entries: &[AuditEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.action.as_str()).collect()
}

fn changed(entry: &AuditEntry) -> (&Value, &Value) {
    (entry.before.as_ref().unwrap(), entry.after.as_ref().unwrap())
}

/// A key of the organization, asking at this second.
fn asker(organization: OrganizationId, now: u64) -> Actor {
    Actor::key(organization, KeyId(uuid::Uuid::from_u128(9)), "hr".to_owned(), at(now))
}

both! {
    async fn a_change_has_an_entry_when_somebody_asks_for_it(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let admin = NewKey { scopes: vec![Scope::Admin], ..key(org) };
        store.create_key(admin.clone()).await.unwrap();
        assert!(entries(&store, org).await.is_empty(), "nobody asked");

        let new = NewKey { name: "web".to_owned(), ..key(org) };
        actor::within(asker(org, 1), store.create_key(new.clone())).await.unwrap();
        let change = KeyChange { name: Some("shop".to_owned()), ..KeyChange::default() };
        actor::within(asker(org, 2), store.change_key(org, new.id, change.clone(), at(2))).await.unwrap();
        // The same change again changes nothing.
        actor::within(asker(org, 3), store.change_key(org, new.id, change, at(3))).await.unwrap();
        let next = successor(&key(org));
        actor::within(asker(org, 4), store.rotate_key(org, new.id, next.clone(), at(60))).await.unwrap();
        actor::within(asker(org, 5), store.delete_key(org, new.id, at(5))).await.unwrap();
        // What is refused has no entry.
        let refused = actor::within(asker(org, 6), store.delete_key(org, admin.id, at(6))).await;
        assert!(matches!(refused, Err(KeyChangeError::LastAdmin)));

        let log = entries(&store, org).await;
        assert_eq!(actions(&log), ["key.delete", "key.rotate", "key.change", "key.create"]);
        let (before, after) = changed(&log[2]);
        assert_eq!((before, after), (&json!({"name": "web"}), &json!({"name": "shop"})));
        let (before, after) = changed(&log[1]);
        assert_eq!(before, &json!({"expires_at": null, "replaced_by": null}));
        assert_eq!(after, &json!({"expires_at": at(60), "replaced_by": next.id}));
        assert_eq!((&log[0].after, &log[3].before), (&None, &None));
        assert_eq!(log[3].after.as_ref().unwrap()["scopes"], json!(["chat", "search"]));
        let by = &log[3];
        assert_eq!((by.actor_kind, by.actor_name.as_str(), by.created_at), (ActorKind::Key, "hr", at(1)));
        assert_eq!((by.subject_kind.as_str(), by.subject_id.clone()), ("key", Some(new.id.to_string())));
        assert!(!format!("{log:?}").contains("secret"));
    }

    async fn credentials_are_told_of_and_not_told(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = connection(org);
        actor::within(asker(org, 1), store.create_connection(new.clone(), None)).await.unwrap();
        let credentials = |sealed| ConnectionChange { credentials: Some(sealed), ..ConnectionChange::default() };
        let update = async |now, change| {
            actor::within(asker(org, now), store.update_connection(org, new.id, change)).await.unwrap();
        };
        update(2, credentials(Some(SealedCredentials(vec![7; 40])))).await;
        update(3, credentials(None)).await;
        update(4, ConnectionChange { settings: Some(json!({"region": "us"})), ..ConnectionChange::default() }).await;
        let seen = store.list_connections(org).await.unwrap().remove(0);
        actor::within(asker(org, 5), store.enable_connection(&seen)).await.unwrap();
        actor::within(asker(org, 6), store.disable_connection(org, new.id, at(6))).await.unwrap();
        actor::within(asker(org, 7), store.delete_connection(org, new.id, at(7))).await.unwrap();
        let log = entries(&store, org).await;
        assert_eq!(
            actions(&log),
            [
                "connection.delete", "connection.disable", "connection.enable", "connection.change", "connection.change",
                "connection.change", "connection.create"
            ]
        );
        assert_eq!(changed(&log[5]), (&json!({"credentials": "set"}), &json!({"credentials": "replaced"})));
        assert_eq!(changed(&log[4]), (&json!({"credentials": "set"}), &json!({"credentials": null})));
        assert_eq!(changed(&log[3]), (&json!({"settings": {"region": "eu"}}), &json!({"settings": {"region": "us"}})));
        assert_eq!(changed(&log[1]), (&json!({"status": "enabled"}), &json!({"status": "disabled"})));
    }

    async fn other_organizations_see_an_operator_and_nothing_else(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let other = organization(&store, &[]).await;
        let limits = |most| change_limits(&[(Meter::Messages, Some(most))]);
        actor::within(asker(other, 1), store.change_plan(org, limits(5), at(1))).await.unwrap();
        let log = entries(&store, org).await;
        assert_eq!((actions(&log), log[0].actor_kind, log[0].actor_id), (vec!["plan.change"], ActorKind::Operator, None));
        assert_eq!(log[0].actor_name, "operator");
        let (before, after) = changed(&log[0]);
        assert_ne!(before["overrides"], after["overrides"]);
        assert!(before.get("plan").is_none(), "what stays is left out: {before}");
        assert!(entries(&store, other).await.is_empty());
    }

    async fn entries_are_found_by_what_is_asked_for(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let rule = |name: &str, now: Timestamp| Workflow {
            id: WorkflowId(uuid()),
            name: name.to_owned(),
            triggers: vec!["refund".to_owned()],
            connection: None,
            action: None,
            instructions: Some("Be kind.".to_owned()),
            enabled: true,
            created_at: now,
        };
        let (first, second) = (rule("first", at(1)), rule("second", at(2)));
        actor::within(asker(org, 1), store.put_workflow(org, first.clone())).await.unwrap();
        actor::within(Actor::operator(at(2)), store.put_workflow(org, second.clone())).await.unwrap();
        let disabled = Workflow { enabled: false, ..first.clone() };
        actor::within(asker(org, 3), store.put_workflow(org, disabled)).await.unwrap();
        actor::within(asker(org, 4), store.delete_workflow(org, second.id)).await.unwrap();
        actor::within(asker(org, 5), store.rename_organization(org, "Acme".to_owned())).await.unwrap();
        let all = AuditQuery { limit: 100, ..AuditQuery::default() };
        let found = async |query: AuditQuery| -> Vec<String> {
            let found = store.audit_log(org, query).await.unwrap();
            found.into_iter().map(|entry| entry.action).collect()
        };
        let subject = AuditQuery { subject: Some(first.id.to_string()), ..all.clone() };
        assert_eq!(found(subject).await, ["workflow.change", "workflow.create"]);
        let actor = AuditQuery { actor: Some(uuid::Uuid::from_u128(9)), ..all.clone() };
        assert_eq!(found(actor).await.len(), 4);
        let action = |action: &str| AuditQuery { action: Some(action.to_owned()), ..all.clone() };
        assert_eq!(found(action("workflow")).await.len(), 4);
        assert_eq!(found(action("workflow.delete")).await.len(), 1);
        assert!(found(action("work%")).await.is_empty());
        let within = AuditQuery { from: Some(at(2)), to: Some(at(4)), ..all.clone() };
        assert_eq!(found(within).await, ["workflow.change", "workflow.create"]);
        let page = store.audit_log(org, AuditQuery { limit: 2, ..all.clone() }).await.unwrap();
        let before = page.last().map(|entry| Cursor { at: entry.created_at, id: entry.id.0 });
        assert_eq!(found(AuditQuery { before, ..all }).await.len(), 3);
    }
}
