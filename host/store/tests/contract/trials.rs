//! What an admin's trials leave behind.

use resly_core::{
    connector::last_output::{LastOutput, TrialStore},
    id::ConnectionId,
    meter::Meter,
};

use crate::{
    backend::{Backend, at, organization, uuid},
    both,
    connections::connection,
};

both! {
    async fn the_last_output_of_an_action_is_kept(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let (of, other) = (connection(org), connection(org));
        store.create_connection(of.clone(), None).await.unwrap();
        store.create_connection(other.clone(), None).await.unwrap();
        let sample = |output: &str, now| LastOutput {
            organization: org,
            connection: of.id,
            action: "find".to_owned(),
            output: output.to_owned(),
            cut_from: None,
            at: at(now),
        };
        assert_eq!(store.sample(org, of.id, "find").await.unwrap(), None);
        store.keep_sample(sample("{\"n\":1.50,\"a\":\"\\u0000\"}", 0)).await.unwrap();
        let newer = LastOutput { cut_from: Some(100_000), ..sample("[]", 1) };
        assert_eq!(store.sample(org, of.id, "find").await.unwrap(), Some(sample("{\"n\":1.50,\"a\":\"\\u0000\"}", 0)));
        store.keep_sample(newer.clone()).await.unwrap();
        assert_eq!(store.sample(org, of.id, "find").await.unwrap(), Some(newer.clone()));
        assert_eq!(store.sample(org, of.id, "list").await.unwrap(), None);
        assert_eq!(store.sample(org, other.id, "find").await.unwrap(), None);
        assert_eq!(store.sample(stranger, of.id, "find").await.unwrap(), None);

        // Through another's connection, or one that is gone, nothing is kept; and it goes with its connection.
        store.keep_sample(LastOutput { organization: stranger, ..sample("forged", 2) }).await.unwrap();
        store.keep_sample(LastOutput { connection: ConnectionId(uuid()), ..sample("lost", 2) }).await.unwrap();
        assert_eq!(store.sample(org, of.id, "find").await.unwrap(), Some(newer));
        store.delete_connection(org, of.id, at(0)).await.unwrap();
        assert_eq!(store.sample(org, of.id, "find").await.unwrap(), None);
    }

    async fn trials_are_metered_and_limited_by_nothing(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Fuel, 5)]).await;
        store.count_trial(org, 700, at(0)).await.unwrap();
        store.count_trial(org, 50, at(1)).await.unwrap();
        let report = store.usage(org, at(2)).await.unwrap();
        assert_eq!(report.meters[&Meter::Fuel].used, 0);
        assert_eq!(report.sandbox[&Meter::Fuel], 750);
    }
}
