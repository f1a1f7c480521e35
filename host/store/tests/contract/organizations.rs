//! Organizations, plans and reports.

use resly_core::{
    id::OrganizationId,
    meter::{Meter, MeterReading},
    plan::Overrides,
};
use resly_store::{NewOrganization, Resubscription, SubscribeError};

use crate::{
    backend::{Backend, at, change_limits, limits, uuid},
    both,
};

both! {
    async fn an_organization_has_a_plan_that_can_change(backend: Backend) {
        let store = backend.open().await;
        let id = OrganizationId(uuid());
        let of = limits(&[(Meter::Messages, 5), (Meter::Fuel, 1_000_000_000_000)]);
        let new = NewOrganization { id, name: "Acme".to_owned(), limits: of.clone(), now: at(0) };
        store.create_organization(new.clone()).await.unwrap();
        assert!(store.create_organization(new).await.is_err());
        assert_eq!(store.organization_named("Acme").await.unwrap(), Some(id));
        assert_eq!(store.organization_named("acme").await.unwrap(), None);
        assert_eq!(store.plan(id).await.unwrap().terms.limits, of);

        let changes = change_limits(&[(Meter::Messages, None), (Meter::Embeddings, Some(7))]);
        let plan = store.change_plan(id, changes, at(0)).await.unwrap();
        assert_eq!(plan.terms.limits, limits(&[(Meter::Embeddings, 7), (Meter::Fuel, 1_000_000_000_000)]));
        assert_eq!(store.plan(id).await.unwrap(), plan);
        let log = Overrides { log_days: Some(60), log_bytes_per_day: Some(2 << 20), ..Overrides::default() };
        let changed = store.change_plan(id, log, at(0)).await.unwrap();
        assert_eq!((changed.terms.log_days, changed.terms.log_bytes_per_day), (60, 2 << 20));
        assert_eq!(changed.terms.limits, plan.terms.limits);
        assert_eq!(store.plan(id).await.unwrap(), changed);

        let report = store.usage(id, at(0)).await.unwrap();
        assert_eq!(report.period.start, "2026-10-01T00:00:00Z".parse().unwrap());
        assert_eq!(report.meters[&Meter::Embeddings], MeterReading { used: 0, limit: Some(7), reserved: None, estimated: None });
        assert_eq!(report.meters[&Meter::Messages], MeterReading { used: 0, limit: None, reserved: None, estimated: None });
        assert_eq!(report.meters.len(), Meter::ALL.len());
    }

    async fn an_organization_that_is_not_there_is_an_error(backend: Backend) {
        let store = backend.open().await;
        let nobody = OrganizationId(uuid());
        assert!(store.plan(nobody).await.is_err());
        assert!(store.usage(nobody, at(0)).await.is_err());
        assert!(store.change_plan(nobody, change_limits(&[(Meter::Fuel, None)]), at(0)).await.is_err());
        let refused = store.change_subscription(nobody, Resubscription::default(), at(0)).await;
        assert!(matches!(refused, Err(SubscribeError::NoOrganization)));
        assert!(store.organization(nobody).await.unwrap().is_none());
        assert!(!store.rename_organization(nobody, "x".to_owned()).await.unwrap());
    }

    async fn it_says_what_it_is(backend: Backend) {
        let store = backend.open().await;
        assert_eq!(store.kind(), if backend.is_sqlite() { "sqlite" } else { "postgres" });
        store.schema().await.unwrap();
    }
}
