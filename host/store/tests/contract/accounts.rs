//! Accounts: who may renew one, what replaces it, and authorizations under way.

use resly_core::{
    connector::{
        account::{
            AccountKey, AccountStore, AccountTerms, RenewalFailure, RenewalFailureKind, RenewalLease, Renewed,
            SealedCredentials,
        },
        call::ConnectionStore,
        connection::{Connection, ConnectionStatus},
        sandbox::StateStore,
    },
    id::{KeyId, OrganizationId},
};
use resly_store::{ConnectionChange, OauthFlow, Store};

use crate::{
    backend::{Backend, at, organization, uuid},
    both,
    connections::connection,
};

pub async fn installed(store: &Store, org: OrganizationId) -> Connection {
    let new = connection(org);
    store.create_connection(new.clone(), None).await.unwrap();
    new
}

pub fn key(connection: &Connection, visitor: Option<&str>) -> AccountKey {
    let visitor = visitor.map(str::to_owned);
    AccountKey { organization: connection.organization, connection: connection.id, visitor }
}

pub fn tokens(content: u8) -> Renewed {
    let terms = AccountTerms {
        scope: Some("read".to_owned()),
        expires_at: Some(at(3600)),
        renew_at: Some(at(3540)),
        refreshable: true,
        refresh_expires_at: None,
    };
    Renewed { sealed: SealedCredentials(vec![content; 9]), terms }
}

fn lease(version: u64) -> RenewalLease {
    RenewalLease { version, id: uuid() }
}

both! {
    async fn a_renewal_is_claimed_by_one(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let connection = installed(&store, org).await;
        let own = key(&connection, None);
        assert!(store.put_account(own.clone(), 1, tokens(1), at(0)).await.unwrap());
        let kept = store.account(&own).await.unwrap().unwrap();
        assert_eq!((kept.version, kept.terms, kept.authorized_at), (1, tokens(1).terms, at(0)));

        let (mine, theirs) = (lease(1), lease(1));
        assert!(store.lease_account(&own, mine, at(10), at(50)).await.unwrap());
        assert!(!store.lease_account(&own, theirs, at(11), at(51)).await.unwrap());
        assert!(!store.lease_account(&own, lease(2), at(60), at(99)).await.unwrap(), "there is no such version");
        assert!(!store.renew_account(&own, theirs, tokens(2)).await.unwrap());
        store.release_account(&own, theirs).await.unwrap();
        assert!(!store.lease_account(&own, theirs, at(12), at(52)).await.unwrap(), "nobody gives another's claim back");
        // Whose lease is over has lost it to the next.
        assert!(store.lease_account(&own, theirs, at(50), at(90)).await.unwrap());
        assert!(!store.renew_account(&own, mine, tokens(2)).await.unwrap());
        assert!(!store.forget_account(&own, mine).await.unwrap());
        assert!(store.renew_account(&own, theirs, tokens(3)).await.unwrap());
        let kept = store.account(&own).await.unwrap().unwrap();
        assert_eq!((kept.version, kept.sealed, kept.claimed_until), (2, Some(tokens(3).sealed), None));
        assert_eq!(kept.authorized_at, at(0), "it is the same account");
        assert!(store.lease_account(&own, lease(2), at(60), at(99)).await.unwrap());

        // Authorizing anew ends a claim: what was being renewed is nobody's any more.
        let late = lease(2);
        store.lease_account(&own, late, at(100), at(140)).await.unwrap();
        assert!(store.put_account(own.clone(), 2, tokens(4), at(101)).await.unwrap());
        assert!(!store.renew_account(&own, late, tokens(5)).await.unwrap());
        let last = lease(3);
        assert!(store.lease_account(&own, last, at(102), at(142)).await.unwrap());
        assert!(store.forget_account(&own, last).await.unwrap());
        assert!(store.account(&own).await.unwrap().is_none());
    }

    async fn why_a_renewal_failed_is_kept_until_one_works(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let own = key(&installed(&store, org).await, None);
        let failure = |count: u32| RenewalFailure {
            kind: RenewalFailureKind::Unavailable,
            message: "status 429".to_owned(),
            count,
            retry_at: at(120),
        };
        let kept = async || store.account(&own).await.unwrap().unwrap().failure;
        // A first token has nothing to fall back on, and shares its failure all the same.
        let first = lease(0);
        assert!(store.lease_account(&own, first, at(0), at(40)).await.unwrap());
        store.fail_account(&own, lease(0), failure(9)).await.unwrap();
        assert_eq!(kept().await, None, "that claim is nobody's");
        store.fail_account(&own, first, failure(1)).await.unwrap();
        assert_eq!(kept().await, Some(failure(1)));
        // The claim is free again, and the failure is there until a renewal works.
        let second = lease(0);
        assert!(store.lease_account(&own, second, at(1), at(41)).await.unwrap());
        assert_eq!(kept().await, Some(failure(1)));
        assert!(store.renew_account(&own, second, tokens(1)).await.unwrap());
        assert_eq!(kept().await, None);
        let third = lease(1);
        assert!(store.lease_account(&own, third, at(2), at(42)).await.unwrap());
        store.fail_account(&own, third, failure(2)).await.unwrap();
        assert!(store.put_account(own.clone(), 1, tokens(2), at(3)).await.unwrap());
        assert_eq!(kept().await, None, "it was authorized anew");
    }

    async fn a_first_token_is_claimed_by_one_too(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let own = key(&installed(&store, org).await, None);
        let (mine, theirs) = (lease(0), lease(0));
        assert!(store.lease_account(&own, mine, at(0), at(40)).await.unwrap());
        assert!(!store.lease_account(&own, theirs, at(1), at(41)).await.unwrap());
        assert_eq!(store.account(&own).await.unwrap().unwrap().sealed, None);
        assert!(store.own_accounts(org).await.unwrap().is_empty(), "it has no token yet");
        assert!(store.renew_account(&own, mine, tokens(1)).await.unwrap());
        assert!(!store.lease_account(&own, theirs, at(90), at(99)).await.unwrap(), "it is version 1 now");
        assert_eq!(store.own_accounts(org).await.unwrap()[&own.connection].version, 1);
        let nowhere = AccountKey { connection: resly_core::id::ConnectionId(uuid()), ..own };
        assert!(!store.lease_account(&nowhere, theirs, at(0), at(9)).await.unwrap());
    }

    async fn an_account_is_its_connections_as_that_was(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let connection = installed(&store, org).await;
        let (own, anna, berta) = (key(&connection, None), key(&connection, Some("anna")), key(&connection, Some("berta")));
        assert!(!store.put_account(own.clone(), 7, tokens(1), at(0)).await.unwrap(), "it is not that any more");
        assert!(store.put_account(anna.clone(), 1, tokens(2), at(0)).await.unwrap());
        assert!(store.put_account(berta.clone(), 1, tokens(3), at(0)).await.unwrap(), "a visitor changes no connection");
        assert!(store.put_account(own.clone(), 1, tokens(4), at(0)).await.unwrap());
        let found = store.connection(org, connection.id).await.unwrap().unwrap();
        assert_eq!((found.revision, found.tested_at), (2, None), "another account has to be tested anew");
        store.set_connection_status(org, connection.id, ConnectionStatus::Enabled).await.unwrap();
        assert!(store.put_account(anna.clone(), 2, tokens(2), at(0)).await.unwrap());
        let status = async || store.connection(org, connection.id).await.unwrap().unwrap().status;
        assert_eq!(status().await, ConnectionStatus::Enabled, "a visitor's account is that visitor's");
        assert!(store.put_account(own.clone(), 2, tokens(4), at(0)).await.unwrap());
        assert_eq!(status().await, ConnectionStatus::Installed, "it isn't tested");
        assert_eq!(store.accounts(&connection).await.unwrap().len(), 3);
        assert_eq!(store.account(&anna).await.unwrap().unwrap().sealed, Some(tokens(2).sealed));

        let stranger = organization(&store, &[]).await;
        let foreign = AccountKey { organization: stranger, ..anna.clone() };
        assert!(store.account(&foreign).await.unwrap().is_none());
        assert!(store.delete_account(foreign.clone()).await.unwrap().is_none());
        assert!(!store.put_account(foreign.clone(), 3, tokens(9), at(0)).await.unwrap());
        assert!(!store.lease_account(&foreign, lease(1), at(0), at(9)).await.unwrap());

        let remember = async |scope: &str| {
            store.set_state(org, connection.id, scope, "k", b"v", at(900), at(0)).await.unwrap();
        };
        remember("crm/anna").await;
        remember("crm/berta").await;
        let remembers = async |scope: &str| store.get_state(org, connection.id, scope, "k", at(1)).await.unwrap().is_some();
        let flow = OauthFlow {
            account: anna.clone(),
            revision: 3,
            key: Some(KeyId(uuid())),
            verifier: SealedCredentials(vec![1]),
            expires_at: at(600),
        };
        store.create_oauth_flow([4; 32], flow).await.unwrap();
        assert_eq!(store.delete_account(anna.clone()).await.unwrap().unwrap().sealed, Some(tokens(2).sealed));
        assert!(!remembers("crm/anna").await && remembers("crm/berta").await);
        assert_eq!(store.oauth_flow([4; 32], at(1)).await.unwrap(), None, "what she was asked for is moot");
        assert!(store.account(&anna).await.unwrap().is_none() && store.account(&berta).await.unwrap().is_some());
        let change = ConnectionChange { forget_accounts: true, ..ConnectionChange::default() };
        store.update_connection(stranger, connection.id, change.clone()).await.unwrap();
        assert_eq!(store.accounts(&connection).await.unwrap().len(), 2, "another organization changes nothing");
        store.update_connection(org, connection.id, change).await.unwrap();
        assert!(store.accounts(&connection).await.unwrap().is_empty());
        assert!(store.put_account(own.clone(), 4, tokens(5), at(0)).await.unwrap());
        store.delete_connection(org, connection.id, at(0)).await.unwrap();
        assert!(store.account(&own).await.unwrap().is_none());
    }

    async fn an_authorization_ends_once_where_it_began(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let connection = installed(&store, org).await;
        let new = OauthFlow {
            account: key(&connection, Some("anna")),
            revision: 1,
            key: Some(KeyId(uuid())),
            verifier: SealedCredentials(vec![1]),
            expires_at: at(600),
        };
        let stranger = organization(&store, &[]).await;
        let foreign = OauthFlow { account: AccountKey { organization: stranger, ..new.account.clone() }, ..new.clone() };
        assert!(!store.create_oauth_flow([9; 32], foreign).await.unwrap());
        assert!(store.create_oauth_flow([1; 32], new.clone()).await.unwrap());
        assert_eq!(store.oauth_flow([1; 32], at(1)).await.unwrap(), Some(new.clone()));
        assert_eq!(store.oauth_flow([1; 32], at(600)).await.unwrap(), None);
        assert!(store.bind_oauth_flow([1; 32], [2; 32], [3; 32], at(1)).await.unwrap());
        assert!(!store.bind_oauth_flow([8; 32], [2; 32], [3; 32], at(1)).await.unwrap());
        assert_eq!(store.take_oauth_flow([2; 32], [4; 32], at(2)).await.unwrap(), None, "another browser");
        assert_eq!(store.take_oauth_flow([2; 32], [3; 32], at(600)).await.unwrap(), None, "too late");
        assert_eq!(store.take_oauth_flow([2; 32], [3; 32], at(2)).await.unwrap(), Some(new.clone()));
        assert_eq!(store.take_oauth_flow([2; 32], [3; 32], at(2)).await.unwrap(), None, "once");
        // The browser that opened the link last is the one.
        let by_member = OauthFlow { key: None, ..new.clone() };
        assert!(store.create_oauth_flow([5; 32], by_member.clone()).await.unwrap());
        assert_eq!(store.oauth_flow([5; 32], at(1)).await.unwrap(), Some(by_member), "a member has no key");
        store.bind_oauth_flow([5; 32], [6; 32], [6; 32], at(1)).await.unwrap();
        store.bind_oauth_flow([5; 32], [7; 32], [7; 32], at(1)).await.unwrap();
        assert_eq!(store.take_oauth_flow([6; 32], [6; 32], at(2)).await.unwrap(), None);
        store.recover(at(601)).await.unwrap();
        assert_eq!(store.take_oauth_flow([7; 32], [7; 32], at(2)).await.unwrap(), None, "it is forgotten in time");
    }
}
