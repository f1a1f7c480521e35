//! Keys.

use resly_core::{
    id::{KeyId, OrganizationId},
    principal::{KeyKind, Scope},
    rate::{RateLimit, RateLimits},
};
use resly_store::{KeyChange, KeyChangeError, NewKey, Store};
use sqlx::{Connection, Executor, PgConnection};

use crate::{
    backend::{Backend, at, key, organization, successor, uuid},
    both,
};

fn admin(organization: OrganizationId) -> NewKey {
    NewKey { scopes: vec![Scope::Admin], ..key(organization) }
}

fn is_missing<T>(changed: &Result<T, KeyChangeError>) -> bool {
    matches!(changed, Err(KeyChangeError::Missing))
}

fn is_last<T>(changed: &Result<T, KeyChangeError>) -> bool {
    matches!(changed, Err(KeyChangeError::LastAdmin))
}

both! {
    async fn a_key_is_found_listed_and_deleted(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = NewKey {
            kind: KeyKind::Publishable,
            scopes: vec![Scope::Chat, Scope::Operator],
            origins: vec!["https://shop.example".to_owned()],
            message_cap: Some(9),
            secret_hash: std::array::from_fn(|n| u8::try_from(n).unwrap()),
            ..key(org)
        };
        store.create_key(new.clone()).await.unwrap();
        let found = store.key_by_id(new.id).await.unwrap().unwrap();
        assert_eq!(found.secret_hash, new.secret_hash);
        assert_eq!((found.principal.organization, found.principal.key), (org, new.id));
        assert_eq!((found.principal.kind, found.principal.message_cap), (KeyKind::Publishable, Some(9)));
        assert_eq!((found.principal.scopes, found.principal.origins), (new.scopes.clone(), new.origins.clone()));
        let shown = store.key(org, new.id).await.unwrap().unwrap();
        assert_eq!((shown.name.as_str(), shown.expires_at, shown.last_used_at), ("web", None, None));
        assert_eq!((shown.created_at, &shown.scopes, &shown.origins), (at(0), &new.scopes, &new.origins));

        store.keys_used(vec![(new.id, at(9)), (new.id, at(5))]).await.unwrap();
        let listed = store.list_keys(org).await.unwrap();
        assert_eq!((listed.len(), listed[0].id, listed[0].last_used_at), (1, new.id, Some(at(9))));

        let stranger = organization(&store, &[]).await;
        assert!(store.list_keys(stranger).await.unwrap().is_empty());
        assert!(store.key(stranger, new.id).await.unwrap().is_none());
        assert!(is_missing(&store.delete_key(stranger, new.id, at(10)).await));
        store.create_key(admin(org)).await.unwrap();
        store.delete_key(org, new.id, at(10)).await.unwrap();
        assert!(is_missing(&store.delete_key(org, new.id, at(11)).await));
        assert!(store.key_by_id(new.id).await.unwrap().is_none());
        assert!(store.key(org, new.id).await.unwrap().is_none());
        assert_eq!(store.list_keys(org).await.unwrap().len(), 1);
        assert!(store.key_by_id(KeyId(uuid())).await.unwrap().is_none());
    }

    async fn a_rotated_key_ends_and_another_begins(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (old, new, newer) = (key(org), key(org), key(org));
        store.create_key(NewKey { name: "shop".to_owned(), message_cap: Some(3), ..old.clone() }).await.unwrap();
        let stranger = organization(&store, &[]).await;
        assert!(is_missing(&store.rotate_key(stranger, old.id, successor(&new), at(60)).await));
        assert!(store.key_by_id(new.id).await.unwrap().is_none(), "one transaction");
        store.rotate_key(org, old.id, successor(&new), at(60)).await.unwrap();
        assert_eq!(store.key_by_id(old.id).await.unwrap().unwrap().expires_at, Some(at(60)));
        let rotated = store.key_by_id(new.id).await.unwrap().unwrap();
        assert_eq!((rotated.expires_at, store.key(org, new.id).await.unwrap().unwrap().name), (None, "shop".to_owned()));
        assert_eq!((rotated.principal.message_cap, rotated.lineage), (Some(3), old.id));
        // A second rotation never lengthens what the first one set.
        store.rotate_key(org, old.id, successor(&newer), at(600)).await.unwrap();
        assert_eq!(store.key_by_id(old.id).await.unwrap().unwrap().expires_at, Some(at(60)));
        store.delete_key(org, old.id, at(1)).await.unwrap();
        assert!(is_missing(&store.rotate_key(org, old.id, successor(&key(org)), at(60)).await), "a deleted key is gone");
    }

    async fn an_expired_key_stays_expired(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (old, kept) = (key(org), key(org));
        store.create_key(NewKey { expires_at: Some(at(30)), ..old.clone() }).await.unwrap();
        store.rotate_key(org, old.id, successor(&kept), at(10)).await.unwrap();
        assert_eq!(store.key_by_id(kept.id).await.unwrap().unwrap().expires_at, Some(at(30)), "a rotation keeps it");

        // In its overlap it may end sooner, not later.
        let until = |at| KeyChange { expires_at: Some(at), ..KeyChange::default() };
        for (wanted, is) in [(None, 10), (Some(at(99)), 10), (Some(at(5)), 5)] {
            let changed = store.change_key(org, old.id, until(wanted), at(1)).await.unwrap();
            assert_eq!(changed.expires_at, Some(at(is)));
        }
        let late = NewKey { now: at(31), ..key(org) };
        for id in [old.id, kept.id] {
            let rotated = store.rotate_key(org, id, successor(&late), at(60)).await;
            assert!(matches!(rotated, Err(KeyChangeError::Expired)), "{rotated:?}");
            let changed = store.change_key(org, id, until(None), at(31)).await;
            assert!(matches!(changed, Err(KeyChangeError::Expired)), "{changed:?}");
        }
        assert!(store.key_by_id(late.id).await.unwrap().is_none());
        store.delete_key(org, old.id, at(32)).await.unwrap();
    }

    async fn a_key_is_changed_in_what_is_named(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (web, stranger) = (key(org), organization(&store, &[]).await);
        store.create_key(NewKey { message_cap: Some(4), ..web.clone() }).await.unwrap();
        let name = KeyChange { name: Some("shop".to_owned()), ..KeyChange::default() };
        assert!(is_missing(&store.change_key(stranger, web.id, name.clone(), at(1)).await));
        let changed = store.change_key(org, web.id, name, at(1)).await.unwrap();
        assert_eq!((changed.name.as_str(), changed.message_cap, changed.scopes), ("shop", Some(4), web.scopes));
        let rates = RateLimits { key: RateLimit { requests_per_minute: Some(7), streams: None }, ..RateLimits::default() };
        let change = KeyChange {
            scopes: Some(vec![Scope::Chat]),
            origins: Some(vec!["https://a.example".to_owned()]),
            message_cap: Some(None),
            rate_limits: Some(Some(rates)),
            expires_at: Some(Some(at(90))),
            ..KeyChange::default()
        };
        store.change_key(org, web.id, change, at(1)).await.unwrap();
        let found = store.key_by_id(web.id).await.unwrap().unwrap();
        assert_eq!(found.principal.scopes, [Scope::Chat]);
        assert_eq!((found.principal.origins.len(), found.principal.message_cap), (1, None));
        assert_eq!((found.rate_limits, found.expires_at), (Some(rates), Some(at(90))));
        let lifted = KeyChange { rate_limits: Some(None), expires_at: Some(None), ..KeyChange::default() };
        let found = store.change_key(org, web.id, lifted, at(1)).await.unwrap();
        assert_eq!((found.rate_limits, found.expires_at), (None, None));
    }

    async fn an_origin_is_allowed_as_long_as_a_publishable_key_names_it(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let origins = |names: &[&str]| names.iter().map(|name| format!("https://{name}.example")).collect::<Vec<_>>();
        let allowed = async |name: &str| store.origin_allowed(&format!("https://{name}.example")).await.unwrap();
        let web = NewKey { kind: KeyKind::Publishable, origins: origins(&["a", "b", "a"]), ..key(org) };
        let secret = NewKey { origins: origins(&["secret"]), ..key(org) };
        store.create_key(web.clone()).await.unwrap();
        store.create_key(secret).await.unwrap();
        assert!(allowed("a").await && allowed("b").await && !allowed("c").await && !allowed("secret").await);
        let change = KeyChange { origins: Some(origins(&["b", "c"])), ..KeyChange::default() };
        store.change_key(org, web.id, change, at(1)).await.unwrap();
        assert!(!allowed("a").await && allowed("b").await && allowed("c").await);
        let next = key(org);
        store.rotate_key(org, web.id, successor(&next), at(60)).await.unwrap();
        store.delete_key(org, web.id, at(2)).await.unwrap();
        assert!(allowed("c").await, "the key that came after it has the same origins");
        store.delete_key(org, next.id, at(3)).await.unwrap();
        assert!(!allowed("b").await && !allowed("c").await);
    }

    async fn the_last_admin_key_stays(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (one, two, foreign) = (admin(org), admin(org), organization(&store, &[]).await);
        store.create_key(one.clone()).await.unwrap();
        store.create_key(key(org)).await.unwrap();
        store.create_key(admin(foreign)).await.unwrap();
        let demote = KeyChange { scopes: Some(vec![Scope::Chat]), ..KeyChange::default() };
        let end = |at| KeyChange { expires_at: Some(Some(at)), ..KeyChange::default() };
        let refused = async |store: &Store| {
            assert!(is_last(&store.delete_key(org, one.id, at(1)).await));
            assert!(is_last(&store.change_key(org, one.id, demote.clone(), at(1)).await));
            assert!(is_last(&store.change_key(org, one.id, end(at(60)), at(1)).await));
        };
        refused(&store).await;
        // One that expires is no lasting help.
        store.create_key(NewKey { expires_at: Some(at(60)), ..two.clone() }).await.unwrap();
        refused(&store).await;
        store.delete_key(org, two.id, at(1)).await.unwrap();
        // A rotation leaves another in its place, and the old one may go.
        let next = admin(org);
        store.rotate_key(org, one.id, successor(&next), at(60)).await.unwrap();
        store.delete_key(org, one.id, at(2)).await.unwrap();
        assert!(is_last(&store.delete_key(org, next.id, at(3)).await));
        let still = KeyChange { scopes: Some(vec![Scope::Operator]), ..KeyChange::default() };
        store.change_key(org, next.id, still, at(3)).await.unwrap();
    }

    async fn two_admins_who_delete_each_other_leave_one(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let keys = [admin(org), admin(org), admin(org)];
        for key in &keys {
            store.create_key(key.clone()).await.unwrap();
        }
        let all = keys.iter().map(|key| store.delete_key(org, key.id, at(1)));
        let gone = futures::future::join_all(all).await.iter().filter(|deleted| deleted.is_ok()).count();
        assert_eq!((gone, store.list_keys(org).await.unwrap().len()), (2, 1));
    }
}

/// SQLite's plan is in `query_plans.rs`.
#[tokio::test]
async fn an_origin_is_looked_up_by_an_index_of_postgres() {
    let backend = Backend::postgres().await;
    backend.open().await.close().await;
    let mut conn = PgConnection::connect(backend.url().unwrap()).await.unwrap();
    // A table without rows is read whole, however good the index.
    conn.execute("SET enable_seqscan = off").await.unwrap();
    let plan = "EXPLAIN SELECT 1 FROM api_keys WHERE kind = 'publishable' AND deleted_at IS NULL
                    AND origins @> to_jsonb(ARRAY[$1::text]) LIMIT 1";
    let steps: Vec<String> = sqlx::query_scalar(plan).bind("https://a.example").fetch_all(&mut conn).await.unwrap();
    assert!(steps.iter().any(|step| step.contains("api_keys_origins")), "{steps:?}");
}
