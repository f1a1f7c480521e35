//! Plans: what one changes for its organizations, limits by the minute, and thresholds.

use futures::future::join_all;
use resly_core::{
    alert::Event,
    connector::{
        call::{BeginCallError, ConnectionStore},
        connection::Environment,
    },
    id::{CallId, KeyId, OrganizationId, WebhookId},
    knowledge::{AddSourceError, KnowledgeStore},
    meter::{LimitReached, LimitWindow, Meter},
    model::TokenUsage,
    plan::{Feature, Features, Overrides, PlanId, Subscription, Terms},
    time::Timestamp,
    turn::store::{BeginTurn, BeginTurnError, FinishedTurn, NewTurn, TurnStore},
};
use resly_store::{
    NewOrganization, NewPlan, OrganizationQuery, PlanDefinitionError, PlanUpdate, Resubscription, Store,
    SubscribeError, Webhook,
};
use tokio::task::spawn;

use crate::{
    backend::{Backend, accept, answer, at, change_limits, key, limits, question, refusal, user, uuid},
    both,
    knowledge::source,
};

fn id(text: &str) -> PlanId {
    PlanId::parse(text).unwrap()
}

async fn make_plan(store: &Store, name: &str, terms: Terms) {
    let new = NewPlan { id: id(name), title: name.to_owned(), terms, now: at(0) };
    store.create_plan(new).await.unwrap();
}

async fn subscribed(store: &Store, plan: &str) -> OrganizationId {
    let organization = OrganizationId(uuid());
    let new = NewOrganization { id: organization, name: format!("org {organization}"), limits: [].into(), now: at(0) };
    store.subscribe_organization(new, id(plan), Subscription::default()).await.unwrap();
    organization
}

fn to(plan: &str) -> Resubscription {
    Resubscription { plan: Some(id(plan)), ..Resubscription::default() }
}

/// Sets a webhook that gets every event.
async fn set_webhook(store: &Store, organization: OrganizationId) {
    let webhook = Webhook {
        id: WebhookId(uuid()),
        url: "https://hooks.example/".to_owned(),
        events: None,
        secret: vec![1],
        previous: None,
        created_at: at(0),
    };
    store.put_webhook(organization, webhook).await.unwrap();
}

async fn ask(store: &Store, organization: OrganizationId, now: Timestamp) -> Result<(), LimitReached> {
    let turn = NewTurn { now, ..question(organization, KeyId(uuid()), vec![user("?")]) };
    match store.begin_turn(turn).await {
        Ok(BeginTurn::Accepted(_)) => Ok(()),
        Err(BeginTurnError::Limit(limit)) => Err(limit),
        other => panic!("{other:?}"),
    }
}

both! {
    async fn a_plan_changes_its_organizations_and_leaves_what_is_their_own(backend: Backend) {
        let store = backend.open().await;
        let terms = Terms { limits: limits(&[(Meter::Messages, 10), (Meter::Fuel, 99)]), ..Terms::default() };
        make_plan(&store, "pro", terms.clone()).await;
        let again = NewPlan { id: id("pro"), title: "Pro".to_owned(), terms, now: at(0) };
        assert!(matches!(store.create_plan(again).await, Err(PlanDefinitionError::Exists(_))));

        // More than one transaction changes.
        let mut others = Vec::new();
        for _ in 0..130 {
            others.push(subscribed(&store, "pro").await);
        }
        let own = subscribed(&store, "pro").await;
        store.change_plan(own, change_limits(&[(Meter::Messages, Some(7)), (Meter::Fuel, None)]), at(1)).await.unwrap();
        assert_eq!(store.plan(own).await.unwrap().terms.limits, limits(&[(Meter::Messages, 7)]));

        let more = PlanUpdate {
            terms: Overrides {
                limits: [(Meter::Messages, Some(20)), (Meter::Embeddings, Some(5))].into(),
                per_minute: [(Meter::Messages, Some(3))].into(),
                log_days: Some(90),
                ..Overrides::default()
            },
            features: Some(Features::of([Feature::Chat])),
            ..PlanUpdate::default()
        };
        let changed = store.update_plan(id("pro"), more.clone(), at(2)).await.unwrap();
        assert_eq!((changed.organizations, changed.terms.log_days), (131, 90));
        for organization in &others {
            assert_eq!(store.plan(*organization).await.unwrap().terms, changed.terms);
        }
        let held = store.plan(own).await.unwrap().terms;
        assert_eq!(held.limits, limits(&[(Meter::Messages, 7), (Meter::Embeddings, 5)]));
        assert_eq!((held.per_minute, held.features), (limits(&[(Meter::Messages, 3)]), Features::of([Feature::Chat])));
        let told = "SELECT COUNT(*) FROM billing_events WHERE kind = 'plan_changed' AND quantity = 0";
        assert_eq!(backend.number(told).await, 1 + 131);
        store.update_plan(id("pro"), more, at(3)).await.unwrap();
        assert_eq!(backend.number(told).await, 1 + 131, "nothing has changed");

        store.replace_overrides(own, Overrides::default(), at(4)).await.unwrap();
        assert_eq!(store.plan(own).await.unwrap().terms, changed.terms);
        store.change_subscription(own, to("standard"), at(5)).await.unwrap();
        assert_eq!(store.plan(own).await.unwrap().terms, Terms::default());
        assert_eq!(store.plan_definition(id("pro")).await.unwrap().unwrap().organizations, 130);
    }

    async fn what_a_dead_host_left_of_a_change_is_made_up_for(backend: Backend) {
        let store = backend.open().await;
        make_plan(&store, "pro", Terms { limits: limits(&[(Meter::Messages, 10)]), ..Terms::default() }).await;
        let org = subscribed(&store, "pro").await;
        backend
            .execute("UPDATE plans SET limits = '{\"messages\": 30}', revision = revision + 1 WHERE id = 'pro'")
            .await;
        assert_eq!(store.plan(org).await.unwrap().terms.limits, limits(&[(Meter::Messages, 10)]));
        store.spread_plans(at(1)).await.unwrap();
        assert_eq!(store.plan(org).await.unwrap().terms.limits, limits(&[(Meter::Messages, 30)]));
    }

    async fn a_retired_plan_stays_with_those_who_have_it(backend: Backend) {
        let store = backend.open().await;
        make_plan(&store, "old", Terms::default()).await;
        let has = subscribed(&store, "old").await;
        let wants = subscribed(&store, "standard").await;
        let retire = |retired| PlanUpdate { retired: Some(retired), ..PlanUpdate::default() };
        let retired = store.update_plan(id("old"), retire(true), at(1)).await.unwrap();
        assert_eq!(retired.retired_at, Some(at(1)));
        let refused = store.change_subscription(wants, to("old"), at(2)).await;
        assert!(matches!(refused, Err(SubscribeError::Retired(_))));
        let refused = store.change_subscription(wants, to("none"), at(2)).await;
        assert!(matches!(refused, Err(SubscribeError::NoPlan(_))));
        store.change_subscription(has, to("old"), at(2)).await.unwrap();
        assert_eq!(store.plan(has).await.unwrap().id, id("old"));
        assert_eq!(store.plan(wants).await.unwrap().id, PlanId::standard());
        let with = store.plans_with(Feature::Chat).await.unwrap();
        assert_eq!(with.iter().map(|plan| plan.id.as_str()).collect::<Vec<_>>(), ["standard"]);
        let standard = store.update_plan(PlanId::standard(), retire(true), at(3)).await;
        assert!(matches!(standard, Err(PlanDefinitionError::Needed(_))));
        let missing = store.update_plan(id("none"), retire(true), at(3)).await;
        assert!(matches!(missing, Err(PlanDefinitionError::Missing(_))));
        assert_eq!(store.update_plan(id("old"), retire(false), at(4)).await.unwrap().retired_at, None);
        store.change_subscription(wants, to("old"), at(5)).await.unwrap();
    }

    async fn organizations_are_listed_in_pages_and_renamed(backend: Backend) {
        let store = backend.open().await;
        make_plan(&store, "pro", Terms::default()).await;
        let mut made = Vec::new();
        for plan in ["pro", "standard", "pro", "pro"] {
            made.push(subscribed(&store, plan).await);
        }
        let query = OrganizationQuery { plan: Some(id("pro")), before: None, limit: 2 };
        let first = store.organizations(query.clone()).await.unwrap();
        let last = first.last().unwrap();
        let before = Some(resly_store::Cursor { at: last.created_at, id: last.id.0 });
        let rest = store.organizations(OrganizationQuery { before, ..query }).await.unwrap();
        let ids: Vec<_> = first.iter().chain(&rest).map(|organization| organization.id).collect();
        assert_eq!(ids, [made[3], made[2], made[0]]);
        assert!(store.rename_organization(made[0], "Acme".to_owned()).await.unwrap());
        let renamed = store.organization(made[0]).await.unwrap().unwrap();
        assert_eq!((renamed.name.as_str(), renamed.plan.id), ("Acme", id("pro")));
    }

    async fn a_key_is_found_with_the_features_of_its_plan(backend: Backend) {
        let store = backend.open().await;
        let features = Features::of([Feature::Search, Feature::Rest]);
        make_plan(&store, "small", Terms { features: features.clone(), ..Terms::default() }).await;
        let org = subscribed(&store, "standard").await;
        let new = key(org);
        let key_id = new.id;
        store.create_key(new).await.unwrap();
        let features_now = async || store.key_by_id(key_id).await.unwrap().unwrap().features;
        assert_eq!(features_now().await, Features::ALL);
        store.change_subscription(org, to("small"), at(1)).await.unwrap();
        assert_eq!(features_now().await, features);
    }

    async fn a_minute_has_limits_of_its_own(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Messages, 6)]).await;
        let minute = Overrides {
            per_minute: [(Meter::Messages, Some(2)), (Meter::ConnectorCalls, Some(1)), (Meter::Fuel, Some(50))].into(),
            ..Overrides::default()
        };
        store.change_plan(org, minute, at(0)).await.unwrap();
        ask(&store, org, at(0)).await.unwrap();
        ask(&store, org, at(30)).await.unwrap();
        let reached = ask(&store, org, at(59)).await.unwrap_err();
        assert_eq!((reached.per, reached.limit, reached.used), (LimitWindow::Minute, 2, 2));
        assert_eq!(reached.resets_at, at(60));
        assert!(reached.passes_soon());
        ask(&store, org, at(60)).await.unwrap();
        // Another host's clock is behind.
        ask(&store, org, at(59)).await.unwrap();
        let reached = ask(&store, org, at(59)).await.unwrap_err();
        assert_eq!((reached.per, reached.resets_at), (LimitWindow::Minute, at(120)));
        // A clock that was an hour ahead holds nobody up.
        ask(&store, org, at(3600)).await.unwrap();
        ask(&store, org, at(180)).await.unwrap();
        let reached = ask(&store, org, at(240)).await.unwrap_err();
        assert_eq!((reached.per, reached.limit, reached.used), (LimitWindow::Month, 6, 6));

        let call = async |now| store.begin_call(CallId(uuid()), org, Environment::Production, 40, now, at(900)).await;
        call(at(0)).await.unwrap();
        let refused = call(at(1)).await;
        assert!(matches!(refused, Err(BeginCallError::Limit(limit)) if limit.per == LimitWindow::Minute));
        call(at(60)).await.unwrap();
    }

    async fn a_count_larger_than_the_minute_is_alone_in_it(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let minute = Overrides { per_minute: [(Meter::Embeddings, Some(2))].into(), ..Overrides::default() };
        store.change_plan(org, minute, at(0)).await.unwrap();
        store.add_source(source(org, "Three passages", &["a", "b", "c"])).await.unwrap();
        let refused = store.add_source(source(org, "One", &["d"])).await.unwrap_err();
        assert!(matches!(refused, AddSourceError::Limit(limit) if limit.per == LimitWindow::Minute && limit.used == 3));
    }

    /// 64 clients at once take a meter past every threshold.
    async fn each_threshold_is_told_once_however_many_cross_it(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Messages, 100)]).await;
        set_webhook(&store, org).await;
        let asking = (0..64).map(|_| {
            let store = store.clone();
            spawn(async move {
                let mut accepted = 0;
                for _ in 0..3 {
                    accepted += u32::from(ask(&store, org, at(0)).await.is_ok());
                }
                accepted
            })
        });
        let accepted: u32 = join_all(asking).await.into_iter().map(Result::unwrap).sum();
        assert_eq!(accepted, 100);
        let told = "SELECT COUNT(*) FROM billing_events WHERE kind = 'usage_threshold'";
        assert_eq!(backend.number(told).await, 3);
        for at_each in [
            "SELECT COUNT(*) FROM billing_events WHERE threshold = 70",
            "SELECT COUNT(*) FROM billing_events WHERE threshold = 90",
            "SELECT COUNT(*) FROM billing_events WHERE threshold = 100",
        ] {
            assert_eq!(backend.number(at_each).await, 1);
        }
        let deliveries = store.deliveries(org, None, 10).await.unwrap();
        assert_eq!(deliveries.iter().filter(|message| message.event == Event::UsageThreshold).count(), 3);

        // A raised limit is crossed again, and not told again in this month.
        store.change_plan(org, change_limits(&[(Meter::Messages, Some(120))]), at(1)).await.unwrap();
        for _ in 0..20 {
            ask(&store, org, at(2)).await.unwrap();
        }
        assert_eq!(backend.number(told).await, 3);
        let next_month: Timestamp = "2026-11-02T00:00:00Z".parse().unwrap();
        for _ in 0..84 {
            ask(&store, org, next_month).await.unwrap();
        }
        assert_eq!(backend.number(told).await, 4);
    }

    async fn a_limit_that_is_lowered_past_the_usage_tells_it(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Messages, 1000)]).await;
        for _ in 0..9 {
            accept(&store, question(org, KeyId(uuid()), vec![user("?")])).await;
        }
        store.change_plan(org, change_limits(&[(Meter::Messages, Some(10))]), at(1)).await.unwrap();
        let told = "SELECT COUNT(*) FROM billing_events WHERE kind = 'usage_threshold'";
        assert_eq!(backend.number(told).await, 2);
        store.change_plan(org, change_limits(&[(Meter::Messages, Some(9))]), at(2)).await.unwrap();
        assert_eq!(backend.number(told).await, 3);
        let refused = refusal(&store, question(org, KeyId(uuid()), vec![user("?")])).await;
        assert!(matches!(refused, BeginTurnError::Limit(_)));
    }
    async fn a_model_s_tokens_have_thresholds_and_a_minute(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::ModelInputTokens, 1000)]).await;
        let minute = Overrides { per_minute: [(Meter::ModelOutputTokens, Some(50))].into(), ..Overrides::default() };
        store.change_plan(org, minute, at(0)).await.unwrap();
        let took = async |now, input, output| {
            let turn = NewTurn { now, ..question(org, KeyId(uuid()), vec![user("?")]) };
            let id = accept(&store, turn).await.answer;
            let usage = TokenUsage { input, output, ..TokenUsage::default() };
            store.finish_turn(FinishedTurn { usage, now, ..answer(org, id, "!") }).await.unwrap();
        };
        took(at(0), 600, 20).await;
        took(at(1), 300, 40).await;
        let told = "SELECT COUNT(*) FROM billing_events WHERE kind = 'usage_threshold' AND meter = 'model_input_tokens'";
        assert_eq!(backend.number(told).await, 2, "70 and 90 percent");
        let reached = ask(&store, org, at(2)).await.unwrap_err();
        assert_eq!((reached.meter, reached.per), (Meter::ModelOutputTokens, LimitWindow::Minute));
        assert_eq!((reached.limit, reached.used, reached.resets_at), (50, 60, at(60)));
        took(at(60), 100, 1).await;
        assert_eq!(backend.number(told).await, 3);
        let reached = ask(&store, org, at(120)).await.unwrap_err();
        assert_eq!((reached.meter, reached.per), (Meter::ModelInputTokens, LimitWindow::Month));
    }
}
