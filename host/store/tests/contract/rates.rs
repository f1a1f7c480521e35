//! Request windows that hosts share.

use resly_store::{RateClaim, RateGrant, Store};
use uuid::Uuid;

use crate::{
    backend::{Backend, at, uuid},
    both,
};

async fn claim(store: &Store, subject: Uuid, spent: u64, wanted: u64, second: u64) -> RateGrant {
    store.claim_requests(RateClaim { subject, limit: 10, spent, wanted, now: at(second) }).await.unwrap()
}

both! {
    async fn a_window_gives_out_what_is_left_and_begins_anew(backend: Backend) {
        let (store, _) = backend.with(&[]).await;
        let (one, other) = (uuid(), uuid());
        let grant = |granted, used, started| RateGrant { granted, used, started_at: at(started) };
        assert_eq!(claim(&store, one, 2, 4, 5).await, grant(4, 6, 5));
        assert_eq!(claim(&store, other, 0, 1, 5).await, grant(1, 1, 5), "each subject has its own");
        assert_eq!(claim(&store, one, 1, 4, 20).await, grant(3, 10, 5), "what is left");
        assert_eq!(claim(&store, one, 0, 4, 64).await, grant(0, 10, 5));
        assert_eq!(claim(&store, one, 3, 4, 64).await, grant(0, 13, 5), "what was spent is counted all the same");
        assert_eq!(claim(&store, one, 0, 4, 65).await, grant(4, 4, 65), "a minute later");
        assert_eq!(claim(&store, uuid(), 12, 4, 65).await, grant(0, 12, 65));
        assert_eq!(store.forget_rates(at(65)).await.unwrap(), 1);
        assert_eq!(store.forget_rates(at(200)).await.unwrap(), 2);
    }

    async fn a_crowd_gets_exactly_the_limit(backend: Backend) {
        let (store, _) = backend.with(&[]).await;
        let subject = uuid();
        let claims = futures::future::join_all((0..30).map(|_| claim(&store, subject, 0, 1, 0))).await;
        assert_eq!(claims.iter().map(|grant| grant.granted).sum::<u64>(), 10);
    }
}
