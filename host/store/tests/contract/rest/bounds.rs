//! What one request may take of the host: bytes of an answer, and of what a change writes.

use resly_rest::{
    body::{self, Form},
    query::Query,
    registry, resolve,
};
use resly_store::{Cursor, RestChange, RestStoreError, Store};

use super::data::{OWN, body, expect, filled, rows};
use crate::{
    backend::{Backend, at},
    both,
};

/// Gives each ticket a text of 4.5 MiB, so that the four of an organization are over each bound.
async fn lengthen(backend: &Backend) {
    backend
        .execute(if backend.is_sqlite() {
            "UPDATE tickets SET body = hex(zeroblob(2359296))"
        } else {
            "UPDATE tickets SET body = repeat('0', 4718592)"
        })
        .await;
}

async fn refused(store: &Store, request: &str) -> String {
    rows(store, OWN, request).await.unwrap_err().message
}

/// Changes tickets. Returns how many.
async fn change(store: &Store, query: &str, set: Option<&str>) -> Result<u64, String> {
    let table = registry::table("tickets").unwrap();
    let set = set.map(|set| body::updated(table, Form::Json, set.as_bytes(), None).unwrap());
    let node = resolve::plan(table, &Query::parse(query).unwrap()).unwrap();
    let change = RestChange { organization: OWN, node, set, returns: false, most: None, single: false, now: at(60) };
    match store.change_rest(change).await {
        Ok(rows) => Ok(rows.total.unwrap()),
        Err(RestStoreError::Refused(error)) => Err(error.code.into_owned()),
        Err(RestStoreError::Store(error)) => panic!("{error}"),
    }
}

both! {
    async fn an_answer_is_counted_while_it_is_read(backend: Backend) {
        let store = filled(&backend).await;
        lengthen(&backend).await;
        assert_eq!(refused(&store, "tickets?select=body").await, "the answer is larger than 16 MiB");
        let embedded = "tickets?select=body,conversations(name::int)";
        assert_eq!(refused(&store, embedded).await, "the answer is larger than 16 MiB", "before anything is embedded");
        assert_eq!(rows(&store, OWN, "tickets?select=body&limit=3").await.unwrap().rows.len(), 3);
        let named = format!("tickets?select={}:body&limit=3", "n".repeat(900_000));
        assert_eq!(refused(&store, &named).await, "the answer is larger than 16 MiB", "names are a part of it");
        expect(&store, &[
            ("tickets?select=subject,conversations(name)&subject=eq.Apple", r#"[{"subject":"Apple","conversations":{"name":"first"}}]"#),
            ("tickets?select=conversations(name),subject&subject=eq.zebra", r#"[{"conversations":null,"subject":"zebra"}]"#),
        ]).await;
    }

    async fn a_text_that_grows_in_json_is_refused_before_it_is_written(backend: Backend) {
        let store = filled(&backend).await;
        backend.execute(if backend.is_sqlite() {
            "UPDATE tickets SET body = replace(hex(zeroblob(1500000)), '0', char(1))"
        } else {
            "UPDATE tickets SET body = repeat(chr(1), 3000000)"
        }).await;
        let columns: Vec<String> = (0..60).map(|n| format!("a{n}:body")).collect();
        let message = refused(&store, &format!("tickets?select={}&subject=eq.Apple", columns.join(","))).await;
        assert_eq!(message, "the answer is larger than 16 MiB");
        assert_eq!(refused(&store, "tickets?select=body::text&subject=eq.Apple").await, message);
    }

    async fn a_change_has_bounded_bytes(backend: Backend) {
        let store = filled(&backend).await;
        let all = "id=not.is.null";
        let long = format!(r#"{{"body":"{}"}}"#, "x".repeat(9 << 19));
        assert_eq!(change(&store, all, Some(&long)).await, Err("54000".to_owned()), "what it sets");
        lengthen(&backend).await;
        let close = Some(r#"{"status":"closed"}"#);
        assert_eq!(change(&store, all, close).await, Err("54000".to_owned()), "a row is written whole");
        assert_eq!(change(&store, all, None).await, Err("54000".to_owned()));
        assert_eq!(body(&store, "tickets?select=status,count()&order=status").await,
            r#"[{"status":"closed","count":1},{"status":"open","count":3}]"#);
        assert_eq!(change(&store, "status=eq.open", close).await, Ok(3));
        assert_eq!(change(&store, "subject=neq.zebra", None).await, Ok(3));
    }

    async fn a_page_of_tickets_has_bounded_bytes(backend: Backend) {
        let store = filled(&backend).await;
        let page = store.list_tickets(OWN, None, 3).await.unwrap();
        assert_eq!((page.tickets.len(), page.more), (3, true));
        assert!(!store.list_tickets(OWN, None, 4).await.unwrap().more);
        lengthen(&backend).await;
        let (mut subjects, mut before) = (Vec::new(), None);
        loop {
            let page = store.list_tickets(OWN, before, 200).await.unwrap();
            let [ticket] = page.tickets.as_slice() else { panic!("{} tickets", page.tickets.len()) };
            subjects.push(ticket.fields.subject.clone());
            before = Some(Cursor { at: ticket.created_at, id: ticket.id.0 });
            if !page.more {
                break;
            }
        }
        assert_eq!(subjects, ["zebra", "Ärger, \"groß\"", "apple", "Apple"]);
    }

    async fn postgresql_sends_reads_no_notices(backend: Backend) {
        if backend.is_sqlite() || backend.forgets() {
            return;
        }
        let store = filled(&backend).await;
        backend.execute("ALTER TABLE tickets RENAME TO all_tickets").await;
        backend.execute("CREATE VIEW tickets AS SELECT * FROM all_tickets WHERE current_setting('client_min_messages') = 'warning'").await;
        backend.execute("GRANT SELECT ON tickets TO PUBLIC").await;
        for request in ["tickets?select=subject", "tickets?select=subject,conversations(name)"] {
            assert_eq!(rows(&store, OWN, request).await.unwrap().rows.len(), 4, "{request}");
        }
    }
}
