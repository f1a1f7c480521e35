//! An organization at a glance: what needs attention, how far its setting up is, and what it used.

use std::{collections::BTreeMap, time::Duration};

use resly_core::{
    alert::AlertState,
    boxed,
    conversation::handover::ConversationState,
    error::StoreError,
    id::OrganizationId,
    knowledge::{Source, SourceStatus},
    meter::{Meter, UsageReport},
    time::Timestamp,
};
use resly_store::{
    Alert, AlertQuery, ConversationQuery, Delivery, DeliveryState, SourceQuery, UsageGrouping, UsageHistoryQuery,
    WaitingWork,
};

use crate::App;

/// Alerts and failed sources that are named.
const NAMED: u32 = 5;
/// The newest deliveries of the webhook. It fails when none of them arrived.
const DELIVERIES: u32 = 3;
/// The most waiting conversations that are counted.
pub const PEOPLE: u32 = 20;
const DAY: Duration = Duration::from_secs(24 * 3600);
const DAY_MICROS: i64 = 24 * 3600 * 1_000_000;

/// An organization as it is now.
pub struct Overview {
    pub usage: UsageReport,
    /// What was used today (UTC). A refund may leave less than nothing.
    pub today: BTreeMap<Meter, i64>,
    /// The steps of setting up that are done.
    pub done: Vec<SetupStep>,
    /// Open ones, the newest first.
    pub alerts: Vec<Alert>,
    pub failed_sources: Vec<Source>,
    /// The newest delivery of the webhook, when the newest ones all failed.
    pub failing_webhook: Option<Delivery>,
    pub waiting: WaitingWork,
    /// Conversations that wait for a person, [`PEOPLE`] at most.
    pub conversations: u64,
}

/// A step of a new organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupStep {
    /// A key of an app may chat.
    Key,
    /// A source is ready.
    Knowledge,
    /// A connection is enabled.
    Connector,
    /// A question was asked.
    Ask,
    /// A publishable key may be used on a site.
    Widget,
}

impl SetupStep {
    pub const ALL: [Self; 5] = [Self::Key, Self::Knowledge, Self::Connector, Self::Ask, Self::Widget];
}

/// The organization as it is now.
#[boxed]
pub async fn get(app: &App, organization: OrganizationId) -> Result<Overview, StoreError> {
    let (store, now) = (&app.store, app.clock.now());
    let midnight = Timestamp::from_micros(now.micros() - now.micros().rem_euclid(DAY_MICROS));
    let today =
        UsageHistoryQuery { by: UsageGrouping::Day, from: midnight, to: midnight.plus(DAY), before: None, limit: 1 };
    let alerts = AlertQuery { state: Some(AlertState::Open), limit: NAMED, ..AlertQuery::default() };
    let failed = SourceQuery { status: Some(SourceStatus::Failed), limit: NAMED, ..SourceQuery::default() };
    let (usage, today, setup, alerts, failed_sources, webhook, deliveries, waiting) = futures::try_join!(
        store.usage(organization, now),
        store.usage_history(organization, today),
        store.setup_state(organization),
        store.alerts(organization, alerts),
        store.sources(organization, failed),
        store.webhook(organization),
        store.deliveries(organization, None, DELIVERIES),
        store.waiting_work(organization, now),
    )?;
    let is_done = |step: &SetupStep| match step {
        SetupStep::Key => setup.chat_key,
        SetupStep::Knowledge => setup.ready_source,
        SetupStep::Connector => setup.enabled_connection,
        SetupStep::Ask => setup.conversation,
        SetupStep::Widget => setup.page_key,
    };
    let waiting_for_people =
        ConversationQuery { state: Some(ConversationState::Waiting), limit: PEOPLE, ..ConversationQuery::default() };
    let conversations = store.find_conversations(organization, waiting_for_people).await?.len() as u64;
    let done = SetupStep::ALL.into_iter().filter(is_done).collect();
    let fails = deliveries.iter().all(|delivery| delivery.state != DeliveryState::Delivered && delivery.tries > 0);
    Ok(Overview {
        usage,
        today: today.into_iter().next().map(|sum| sum.meters).unwrap_or_default(),
        done,
        alerts,
        failed_sources,
        failing_webhook: deliveries.into_iter().next().filter(|_| fails && webhook.is_some()),
        waiting,
        conversations,
    })
}
