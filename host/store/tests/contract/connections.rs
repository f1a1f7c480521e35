//! Connections, workflows.

use resly_core::{
    connector::{
        account::SealedCredentials,
        call::ConnectionStore,
        connection::{Connection, ConnectionStatus, Environment, Owner, Policy},
    },
    id::{ConnectionId, OrganizationId, WorkflowId},
    workflow::{Workflow, WorkflowStore},
};
use resly_manifest::AuthType;
use resly_store::{ConnectionChange, CredentialsExpiry};
use serde_json::json;

use crate::{
    backend::{Backend, at, organization, uuid},
    both,
};

pub fn connection(organization: OrganizationId) -> Connection {
    Connection {
        id: ConnectionId(uuid()),
        organization,
        connector: "crm".to_owned(),
        version: "1.0.0".to_owned(),
        name: "CRM".to_owned(),
        environment: Environment::Production,
        status: ConnectionStatus::Installed,
        settings: json!({"region": "eu"}),
        auth: None,
        owner: Owner::Organization,
        credentials: Some(SealedCredentials(vec![1, 2, 3])),
        policy: Policy::default(),
        mappings: [("get".to_owned(), ".id".to_owned())].into(),
        tested_at: Some(at(5)),
        created_at: at(0),
        revision: 1,
    }
}

both! {
    async fn a_connection_is_kept_changed_and_deleted(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = connection(org);
        store.create_connection(new.clone(), None).await.unwrap();
        let found = store.connection(org, new.id).await.unwrap().unwrap();
        assert_eq!((found.settings, found.credentials, found.revision), (new.settings.clone(), new.credentials.clone(), 1));
        assert_eq!((found.mappings, found.policy, found.created_at), (new.mappings.clone(), new.policy, at(0)));
        assert!(store.enabled_connections(org).await.unwrap().is_empty());
        assert!(store.set_connection_status(org, new.id, ConnectionStatus::Enabled).await.unwrap());
        let enabled = store.enabled_connections(org).await.unwrap();
        assert_eq!((enabled.len(), enabled[0].revision), (1, 1), "a status changes nothing that a credential is bound to");

        let change = ConnectionChange { name: Some("Other".to_owned()), ..ConnectionChange::default() };
        let changed = store.update_connection(org, new.id, change).await.unwrap().unwrap();
        assert_eq!((changed.name.as_str(), changed.revision), ("Other", 2));
        assert_eq!((changed.credentials, changed.settings), (new.credentials.clone(), new.settings.clone()));
        let change = ConnectionChange {
            settings: Some(json!({"region": "us"})),
            credentials: Some(None),
            policy: Some(Policy { allow_writes: true, ..Policy::default() }),
            mappings: Some([].into()),
            version: Some("2.0.0".to_owned()),
            environment: Some(Environment::Sandbox),
            name: None,
            auth: Some(AuthType::Basic),
            reset_test: true,
            credential_renewed: false,
            demote_to: None,
            needs_enabling: false,
            expected_revision: Some(2),
            forget_accounts: true,
            expiry: Some(CredentialsExpiry { ends: Some(at(99)), now: at(1) }),
        };
        let changed = store.update_connection(org, new.id, change).await.unwrap().unwrap();
        assert_eq!(changed.settings, json!({"region": "us"}));
        assert!(changed.credentials.is_none() && changed.policy.allow_writes && changed.mappings.is_empty());
        assert_eq!((changed.version.as_str(), changed.environment), ("2.0.0", Environment::Sandbox));
        assert_eq!((changed.name.as_str(), changed.revision, changed.status), ("Other", 3, ConnectionStatus::Enabled));
        assert_eq!(store.list_connections(org).await.unwrap().len(), 1);
        assert_eq!(store.credential_expiries(org).await.unwrap(), [(new.id, at(99))], "in the same change");
        assert!(!store.enable_connection(&new).await.unwrap(), "it was looked at before the change");
        assert!(store.enable_connection(&changed).await.unwrap());
        assert!(store.delete_connection(org, new.id, at(0)).await.unwrap().is_some());
        assert!(store.delete_connection(org, new.id, at(0)).await.unwrap().is_none());
        assert!(store.connection(org, new.id).await.unwrap().is_none());
    }

    async fn a_change_made_from_another_revision_changes_nothing(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = Connection { status: ConnectionStatus::Enabled, ..connection(org) };
        store.create_connection(new.clone(), None).await.unwrap();
        let change = |seen| ConnectionChange {
            settings: Some(json!({"region": "us"})),
            credentials: Some(None),
            forget_accounts: true,
            demote_to: Some(ConnectionStatus::NeedsAuth),
            expected_revision: Some(seen),
            ..ConnectionChange::default()
        };
        assert!(store.update_connection(org, new.id, change(2)).await.unwrap().is_none());
        let same = store.connection(org, new.id).await.unwrap().unwrap();
        assert_eq!((same.settings, same.credentials, same.revision), (new.settings, new.credentials, 1));
        assert_eq!(same.status, ConnectionStatus::Enabled);
        let changed = store.update_connection(org, new.id, change(1)).await.unwrap().unwrap();
        assert_eq!((changed.status, changed.revision), (ConnectionStatus::NeedsAuth, 2));
        // Only what is enabled is taken from chats, and only what waits for a credential is renewed.
        let renewed = ConnectionChange {
            credential_renewed: true, demote_to: Some(ConnectionStatus::Installed), expected_revision: Some(2), ..ConnectionChange::default()
        };
        let changed = store.update_connection(org, new.id, renewed.clone()).await.unwrap().unwrap();
        assert_eq!(changed.status, ConnectionStatus::Installed);
        store.set_connection_status(org, new.id, ConnectionStatus::Disabled).await.unwrap();
        let disabled = ConnectionChange { expected_revision: Some(3), ..renewed };
        let changed = store.update_connection(org, new.id, disabled).await.unwrap().unwrap();
        assert_eq!(changed.status, ConnectionStatus::Disabled);
    }

    async fn what_its_admin_wants_outlives_a_refused_credential(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = connection(org);
        store.create_connection(new.clone(), None).await.unwrap();
        let seen = async || store.connection(org, new.id).await.unwrap().unwrap();
        let refuse = async || store.refuse_connection(&seen().await).await.unwrap();
        let pass = async || {
            store.set_connection_tested(&seen().await, at(9)).await.unwrap();
            seen().await.status
        };
        refuse().await;
        assert_eq!((seen().await.status, pass().await), (ConnectionStatus::NeedsAuth, ConnectionStatus::Installed));
        store.set_connection_status(org, new.id, ConnectionStatus::Enabled).await.unwrap();
        refuse().await;
        assert_eq!((seen().await.status, pass().await), (ConnectionStatus::NeedsAuth, ConnectionStatus::Enabled));

        // What was refused, or passed, was the one before.
        let old = seen().await;
        let elsewhere = ConnectionChange {
            reset_test: true, demote_to: Some(ConnectionStatus::Installed), ..ConnectionChange::default()
        };
        store.update_connection(org, new.id, elsewhere).await.unwrap().unwrap();
        store.set_connection_tested(&old, at(9)).await.unwrap();
        store.refuse_connection(&old).await.unwrap();
        assert_eq!((seen().await.status, seen().await.tested_at), (ConnectionStatus::Installed, None));
        assert_eq!(pass().await, ConnectionStatus::Enabled);
        let moved = ConnectionChange {
            needs_enabling: true, demote_to: Some(ConnectionStatus::Installed), ..ConnectionChange::default()
        };
        store.update_connection(org, new.id, moved).await.unwrap().unwrap();
        assert_eq!(pass().await, ConnectionStatus::Installed);

        store.set_connection_status(org, new.id, ConnectionStatus::Enabled).await.unwrap();
        store.set_connection_status(org, new.id, ConnectionStatus::Disabled).await.unwrap();
        refuse().await;
        assert_eq!((seen().await.status, pass().await), (ConnectionStatus::Disabled, ConnectionStatus::Disabled));
    }

    async fn a_foreign_connection_is_out_of_reach(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let new = Connection { status: ConnectionStatus::Enabled, ..connection(org) };
        store.create_connection(new.clone(), None).await.unwrap();
        assert!(store.connection(stranger, new.id).await.unwrap().is_none());
        assert!(store.enabled_connections(stranger).await.unwrap().is_empty());
        assert!(store.list_connections(stranger).await.unwrap().is_empty());
        assert!(!store.set_connection_status(stranger, new.id, ConnectionStatus::Disabled).await.unwrap());
        let change = ConnectionChange { name: Some("mine".to_owned()), ..ConnectionChange::default() };
        assert!(store.update_connection(stranger, new.id, change).await.unwrap().is_none());
        assert!(store.delete_connection(stranger, new.id, at(0)).await.unwrap().is_none());
        assert_eq!(store.connection(org, new.id).await.unwrap().unwrap().name, "CRM");
    }

    async fn workflows_are_kept(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let (mine, theirs) = (connection(org), connection(stranger));
        store.create_connection(mine.clone(), None).await.unwrap();
        store.create_connection(theirs.clone(), None).await.unwrap();
        let rule = Workflow {
            id: WorkflowId(uuid()),
            name: "refunds".to_owned(),
            triggers: vec!["refund".to_owned()],
            connection: Some(mine.id),
            action: Some("get".to_owned()),
            instructions: None,
            enabled: true,
            created_at: at(0),
        };
        assert!(store.put_workflow(org, rule.clone()).await.unwrap());
        let kept = &store.workflows(org).await.unwrap()[0];
        assert_eq!((kept.connection, kept.triggers.clone(), kept.enabled), (Some(mine.id), rule.triggers.clone(), true));

        assert!(!store.put_workflow(stranger, rule.clone()).await.unwrap());
        assert!(store.list_workflows(stranger).await.unwrap().is_empty());
        let changed = Workflow { connection: Some(theirs.id), enabled: false, ..rule.clone() };
        assert!(store.put_workflow(org, changed).await.unwrap());
        let kept = &store.list_workflows(org).await.unwrap()[0];
        assert_eq!((kept.connection, kept.enabled), (None, false), "another's connection is no connection");
        store.put_workflow(org, rule.clone()).await.unwrap();
        store.delete_connection(org, mine.id, at(0)).await.unwrap();
        assert_eq!(store.list_workflows(org).await.unwrap()[0].connection, None);
        assert!(!store.delete_workflow(stranger, rule.id).await.unwrap());
        assert!(store.delete_workflow(org, rule.id).await.unwrap());
        assert!(store.list_workflows(org).await.unwrap().is_empty());
    }
}
