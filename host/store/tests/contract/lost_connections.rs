//! Connections that PostgreSQL's server has ended, as after a restart.

use futures::future::join_all;
use resly_core::{id::KeyId, meter::Meter};
use resly_rest::{query::Query, registry, resolve, window};
use resly_store::RestRead;

use crate::backend::{Backend, accept, organization, question, used, user, uuid};

/// Ends every connection to the database but the one that asks.
const END: &str = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// Nobody asks a connection whether it lives before it is used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_that_idle_connections_were_ended() {
    let backend = Backend::postgres().await;
    let store = backend.open().await;
    let org = organization(&store, &[]).await;
    let key = KeyId(uuid());
    let mut node =
        resolve::plan(registry::table("conversations").unwrap(), &Query::parse("select=id").unwrap()).unwrap();
    window::narrow(&mut node, None).unwrap();
    let read = || async {
        let read = RestRead { organization: org, node: node.clone(), count: false, rows: true };
        store.read_rest(read).await.unwrap().rows.len()
    };
    for round in 1..=3 {
        // As many connections as the pools have.
        join_all((0..20).map(|_| accept(&store, question(org, key, vec![user("?")])))).await;
        join_all((0..4).map(|_| read())).await;
        for then in 0..3 {
            backend.execute(END).await;
            match then {
                0 => assert_eq!(used(&store, org, Meter::Messages).await, 21 * round - 1),
                1 => drop(accept(&store, question(org, key, vec![user("!")])).await),
                _ => assert_eq!(read().await as u64, 21 * round),
            }
        }
    }
}
