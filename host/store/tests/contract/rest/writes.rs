//! Inserts, upserts, updates and deletes.

use resly_core::{id::OrganizationId, knowledge::KnowledgeStore};
use resly_rest::{
    RestError,
    body::{self, Form},
    media::Media,
    prefer::Resolution,
    query::Query,
    registry::{self, Table},
    resolve,
};
use resly_store::{RestChange, RestInsert, RestRows, RestStoreError, Store};

use super::data::{OTHER, OWN, body, expect, filled, rows};
use crate::{
    backend::{Backend, at, uuid},
    both,
};

fn told(result: Result<RestRows, RestStoreError>) -> Result<String, String> {
    match result {
        Ok(rows) => Ok(rows.body(Media::Array)),
        Err(RestStoreError::Refused(RestError { code, .. })) => Err(code.into_owned()),
        Err(RestStoreError::Store(error)) => panic!("{error}"),
    }
}

struct Upsert(&'static str, Resolution);

async fn insert(
    store: &Store,
    organization: OrganizationId,
    request: &str,
    rows: &str,
    upsert: Option<Upsert>,
) -> Result<String, String> {
    let (table, query) = request.split_once('?').unwrap();
    let table: &'static Table = registry::table(table).unwrap();
    let query = Query::parse(query).unwrap();
    let rows = body::inserted(table, Form::Json, rows.as_bytes(), query.columns.as_deref(), true).unwrap();
    let ids = rows.rows.iter().map(|_| uuid()).collect();
    let conflict = upsert.map(|Upsert(column, resolution)| (table.column(column).unwrap(), resolution));
    let returned = Some(resolve::plan(table, &query).unwrap());
    told(
        store
            .insert_rest(RestInsert { organization, table, rows, ids, conflict, returned, single: false, now: at(9) })
            .await,
    )
}

async fn change(
    store: &Store,
    organization: OrganizationId,
    request: &str,
    set: Option<&str>,
    most: Option<u64>,
) -> Result<String, String> {
    told(store.change_rest(request_of(organization, request, set, most)).await)
}

fn request_of(organization: OrganizationId, request: &str, set: Option<&str>, most: Option<u64>) -> RestChange {
    let (table, query) = request.split_once('?').unwrap();
    let table: &'static Table = registry::table(table).unwrap();
    let query = Query::parse(query).unwrap();
    let set = set.map(|set| body::updated(table, Form::Json, set.as_bytes(), None).unwrap());
    let node = resolve::plan(table, &query).unwrap();
    RestChange { organization, node, set, returns: true, most, single: false, now: at(60) }
}

both! {
    async fn rows_are_inserted_with_defaults(backend: Backend) {
        let store = filled(&backend).await;
        let two = r#"[{"subject":"one","body":"1","conversation_id":null},{"subject":"two\u0001","body":"2","conversation_id":"00000000-0000-0000-0000-0000000000c1"}]"#;
        let found = insert(&store, OWN, "tickets?select=subject,status,created_at,conversations(name)", two, None).await.unwrap();
        assert_eq!(found, "[{\"subject\":\"one\",\"status\":\"open\",\"created_at\":\"2026-10-10T12:00:09+00:00\",\"conversations\":null},{\"subject\":\"two\\u0001\",\"status\":\"open\",\"created_at\":\"2026-10-10T12:00:09+00:00\",\"conversations\":{\"name\":\"first\"}}]");
        expect(&store, &[("tickets?select=count()&updated_at=eq.2026-10-10T12:00:09Z", r#"[{"count":2}]"#)]).await;
        assert_eq!(insert(&store, OWN, "tickets?select=id", "[]", None).await.unwrap(), "[]");
    }

    async fn a_row_that_is_there_is_refused_merged_or_ignored(backend: Backend) {
        let store = filled(&backend).await;
        let anna = r#"{"external_id":"anna"}"#;
        let select = "visitors?select=id,external_id";
        assert_eq!(insert(&store, OWN, select, anna, None).await.unwrap_err(), "23505");
        assert_eq!(insert(&store, OWN, select, anna, Some(Upsert("external_id", Resolution::Ignore))).await.unwrap(), "[]");
        let merged = insert(&store, OWN, select, anna, Some(Upsert("external_id", Resolution::Merge))).await.unwrap();
        assert_eq!(merged, r#"[{"id":"00000000-0000-0000-0000-0000000000e1","external_id":"anna"}]"#);
        let ticket = r#"{"id":"00000000-0000-0000-0000-000000000002","subject":"new","body":"b"}"#;
        let merged = insert(&store, OWN, "tickets?select=subject,status", ticket, Some(Upsert("id", Resolution::Merge))).await;
        assert_eq!(merged.unwrap(), r#"[{"subject":"new","status":"closed"}]"#, "what isn't sent stays");
        let twice = r#"[{"external_id":"x"},{"external_id":"x"}]"#;
        assert_eq!(insert(&store, OWN, select, twice, Some(Upsert("external_id", Resolution::Merge))).await.unwrap_err(), "21000");
        assert_eq!(insert(&store, OWN, select, twice, None).await.unwrap_err(), "23505");
        backend.execute(if backend.is_sqlite() {
            "UPDATE tickets SET body = hex(zeroblob(9000000)) WHERE subject = 'new'"
        } else {
            "UPDATE tickets SET body = repeat('0', 18000000) WHERE subject = 'new'"
        }).await;
        let merged = insert(&store, OWN, "tickets?select=id", ticket, Some(Upsert("id", Resolution::Merge))).await;
        assert_eq!(merged.unwrap_err(), "54000", "it rewrites a row of more bytes than a change may write");
        expect(&store, &[("visitors?select=count()", r#"[{"count":2}]"#)]).await;
    }

    async fn nothing_is_written_to_or_refers_to_another_organization(backend: Backend) {
        let store = filled(&backend).await;
        let before = rows(&store, OTHER, "tickets?order=id").await.unwrap().body(Media::Array);
        let foreign = r#"{"id":"10000000-0000-0000-0000-000000000001","subject":"taken","body":"b"}"#;
        for (upsert, answer) in [
            (None, Err("23505")),
            (Some(Upsert("id", Resolution::Merge)), Err("42501")),
            (Some(Upsert("id", Resolution::Ignore)), Ok("[]")),
        ] {
            let answered = insert(&store, OWN, "tickets?select=id", foreign, upsert).await;
            assert_eq!(answered.as_deref().map_err(String::as_str), answer);
        }
        for conversation in ["10000000-0000-0000-0000-0000000000c1", "99999999-0000-0000-0000-0000000000c1"] {
            let ticket = format!(r#"{{"subject":"a","body":"b","conversation_id":"{conversation}"}}"#);
            assert_eq!(insert(&store, OWN, "tickets?select=id", &ticket, None).await.unwrap_err(), "23503");
            let set = format!(r#"{{"conversation_id":"{conversation}"}}"#);
            let answered = change(&store, OWN, "tickets?id=eq.00000000-0000-0000-0000-000000000001", Some(&set), None).await;
            assert_eq!(answered.unwrap_err(), "23503");
        }
        for request in [
            "tickets?id=eq.10000000-0000-0000-0000-000000000001",
            "tickets?organization_id=eq.00000000-0000-0000-0000-00000000000b",
            "tickets?not.and=(organization_id.eq.00000000-0000-0000-0000-00000000000a)",
        ] {
            if backend.forgets() && request.contains("organization_id") {
                continue;
            }
            assert_eq!(change(&store, OWN, request, Some(r#"{"subject":"taken"}"#), None).await.unwrap(), "[]");
            assert_eq!(change(&store, OWN, request, None, None).await.unwrap(), "[]");
        }
        assert_eq!(change(&store, OWN, "tickets?id=not.is.null&select=id", None, None).await.unwrap().matches("\"id\"").count(), 4);
        assert_eq!(rows(&store, OTHER, "tickets?order=id").await.unwrap().body(Media::Array), before);
    }

    async fn rows_are_updated_and_deleted_by_conditions(backend: Backend) {
        let store = filled(&backend).await;
        let set = Some(r#"{"status":"resolved"}"#);
        let update = "tickets?subject=imatch.^apple&select=subject,status,updated_at";
        assert_eq!(change(&store, OWN, update, set, Some(1)).await.unwrap_err(), "PGRST124");
        let updated = change(&store, OWN, update, set, Some(2)).await.unwrap();
        assert_eq!(updated, r#"[{"subject":"Apple","status":"resolved","updated_at":"2026-10-10T12:01:00+00:00"},{"subject":"apple","status":"resolved","updated_at":"2026-10-10T12:01:00+00:00"}]"#);
        let conversations = "conversations?select=tags&id=eq.00000000-0000-0000-0000-0000000000c1";
        assert_eq!(change(&store, OWN, conversations, Some(r#"{"tags":["vip","a b"]}"#), None).await.unwrap(), r#"[{"tags":["vip","a b"]}]"#);
        for (condition, found) in [
            ("tags=cs.{vip}", 1), ("tags=cs.{vip,x}", 0), ("tags=cd.{vip,\"a b\",x}", 3), ("tags=ov.{x,vip}", 1),
            ("tags=eq.{vip,\"a b\"}", 1), ("tags=eq.{}", 2), ("tags=not.cs.{vip}", 2), ("tags=isdistinct.{}", 1), ("tags=cs.{}", 3),
            ("tags=in.({},{x})", 2), ("tags=in.({},\"{vip,\\\"a b\\\"}\")", 3), ("tags=not.in.({})", 1), ("tags=in.()", 0),
        ] {
            assert_eq!(rows(&store, OWN, &format!("conversations?{condition}")).await.unwrap().rows.len(), found, "{condition}");
        }
        let deleted = change(&store, OWN, "tickets?status=eq.resolved&select=subject,conversations(name)", None, None).await.unwrap();
        assert_eq!(deleted, r#"[{"subject":"Apple","conversations":{"name":"first"}},{"subject":"apple","conversations":null}]"#);
        assert_eq!(body(&store, "tickets?select=subject&order=id").await, r#"[{"subject":"Ärger, \"groß\""},{"subject":"zebra"}]"#);
        assert_eq!(change(&store, OWN, "visitors?external_id=eq.anna", None, None).await.unwrap_err(), "23503", "a conversation is theirs");
    }

    async fn a_change_writes_the_rows_that_were_found_while_they_stay_as_they_are(backend: Backend) {
        let store = filled(&backend).await;
        let close = |request| request_of(OWN, request, Some(r#"{"status":"closed"}"#), None);
        let status = "tickets?select=status&id=eq.00000000-0000-0000-0000-000000000001";
        let apple = close("tickets?subject=like.App*&select=subject,status");
        let found = store.find_rest(&apple).await.unwrap();
        assert_eq!(found.ids().len(), 1);
        backend.execute("UPDATE tickets SET body = 'changed' WHERE subject = 'Apple'").await;
        assert_eq!(told(store.write_found_rest(&apple, found).await).unwrap_err(), "40001");
        assert_eq!(body(&store, status).await, r#"[{"status":"open"}]"#, "nothing was written");

        // The conditions of the request aren't asked again: without the trigger the row seems to be as it was.
        let drop = if backend.is_sqlite() { "DROP TRIGGER tickets_touched" } else { "DROP TRIGGER tickets_touched ON tickets" };
        backend.execute(drop).await;
        let found = store.find_rest(&apple).await.unwrap();
        backend.execute("UPDATE tickets SET subject = 'Pear' WHERE subject = 'Apple'").await;
        let written = told(store.write_found_rest(&apple, found).await).unwrap();
        assert_eq!(written, r#"[{"subject":"Pear","status":"closed"}]"#);
    }

    async fn changes_of_the_same_row_at_the_same_time_are_all_made(backend: Backend) {
        let store = filled(&backend).await;
        let id = "tickets?select=status&id=eq.00000000-0000-0000-0000-000000000001";
        let resolve = change(&store, OWN, id, Some(r#"{"status":"resolved"}"#), None);
        let rename = change(&store, OWN, id, Some(r#"{"subject":"New"}"#), None);
        let (resolved, renamed) = futures::join!(resolve, rename);
        assert_eq!((resolved.is_ok(), renamed.is_ok()), (true, true), "{resolved:?} {renamed:?}");
        let row = "tickets?select=subject,status&id=eq.00000000-0000-0000-0000-000000000001";
        assert_eq!(body(&store, row).await, r#"[{"subject":"New","status":"resolved"}]"#);
    }

    async fn what_is_embedded_in_changed_rows_has_conditions_of_its_own(backend: Backend) {
        let store = filled(&backend).await;
        let update = "conversations?select=name,messages(content)&name=eq.first&messages.content=imatch.orders";
        let updated = change(&store, OWN, update, Some(r#"{"tags":["vip"]}"#), None).await.unwrap();
        assert_eq!(updated, r#"[{"name":"first","messages":[{"content":"Your ORDERS ship tomorrow."}]}]"#);
        let broken = "conversations?select=name::int,messages(content)&name=eq.first";
        assert_eq!(change(&store, OWN, broken, Some(r#"{"tags":["lost"]}"#), None).await.unwrap_err(), "22P02");
        let deleted = "tickets?select=subject,conversations(name)&subject=eq.Apple&conversations.name=like.f*";
        let deleted = change(&store, OWN, deleted, None, None).await.unwrap();
        assert_eq!(deleted, r#"[{"subject":"Apple","conversations":{"name":"first"}}]"#);
        expect(&store, &[("conversations?select=tags&name=eq.first", r#"[{"tags":["vip"]}]"#)]).await;
    }

    async fn a_row_tells_when_it_last_changed(backend: Backend) {
        let store = filled(&backend).await;
        // Past the store, as a job on the database itself does.
        backend.execute("UPDATE connections SET name = 'New' WHERE name = 'CRM'").await;
        backend.execute("UPDATE messages SET status = 'failed' WHERE position = 1").await;
        backend.execute("UPDATE usage SET used = used + 1 WHERE meter = 'fuel'").await;
        backend.execute("UPDATE usage SET reserved = 5 WHERE used = 10").await;
        let source = crate::knowledge::source(OWN, "Read", &["One."]);
        store.add_source(source).await.unwrap();
        store.add_source(crate::knowledge::source(OWN, "Held", &["One."])).await.unwrap();
        backend.execute("UPDATE knowledge_sources SET status = 'failed' WHERE title = 'Read'").await;
        backend.execute("UPDATE knowledge_sources SET embedded = 1 WHERE title = 'Held'").await;
        expect(&store, &[
            ("connections?select=name&updated_at=neq.2026-10-01T00:00:00Z", r#"[{"name":"New"}]"#),
            ("connections?select=name&updated_at=eq.2026-10-01T00:00:00Z", r#"[{"name":"Shop"}]"#),
            ("messages?select=position&position=eq.1&updated_at=neq.2026-10-03T08:00:01.5Z", r#"[{"position":1}]"#),
            ("usage?select=meter&meter=eq.fuel&updated_at=neq.2026-10-01T00:00:00Z", r#"[{"meter":"fuel"}]"#),
            ("usage?select=used&used=eq.10&updated_at=eq.2026-09-01T00:00:00Z", r#"[{"used":10}]"#),
            ("knowledge_sources?select=title&updated_at=eq.2026-10-10T12:00:00Z", r#"[{"title":"Held"}]"#),
            ("billing_events?select=updated_at&meter=neq.embeddings", r#"[{"updated_at":"2026-10-02T00:00:00+00:00"}]"#),
        ]).await;
    }
}
