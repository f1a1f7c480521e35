//! Alerts tell an admin about a problem before customers notice it. At most one is open for each cause. The API lists
//! them, and the organization's webhook is notified.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    connector::{
        connection::Environment,
        failure_reason::FailureReason,
        health::{Health, HealthState},
    },
    conversation::handover::{ConversationState, HandoverSource},
    id::{AlertId, ConnectionId, ConversationId, TicketId},
    ticket::TicketFields,
    time::Timestamp,
};

/// How long ahead an alert warns of a credential's expiry that only a person can prevent.
pub const EXPIRY_AHEAD: Duration = Duration::from_secs(14 * 24 * 3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// The service refused the connection's credential, so chats can't use it.
    NeedsAuth,
    /// The connection failed three times in a row.
    ConnectionFailing,
    /// The credential expires soon and can't be refreshed.
    CredentialExpiring,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something will stop working.
    Warning,
    /// Something has stopped working.
    Critical,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    Open,
    Resolved,
}

impl AlertState {
    pub const ALL: [Self; 2] = [Self::Open, Self::Resolved];

    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
        }
    }
}

/// An event that a webhook receives: the `type` of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Event {
    #[serde(rename = "connection.needs_auth")]
    ConnectionNeedsAuth,
    #[serde(rename = "connection.failing")]
    ConnectionFailing,
    /// The connection works again: a successful call resolved an alert of one of the two kinds above.
    #[serde(rename = "connection.recovered")]
    ConnectionRecovered,
    #[serde(rename = "credential.expiring")]
    CredentialExpiring,
    /// A meter reached 70, 90 or 100 percent of the plan's limit for the month.
    #[serde(rename = "usage.threshold")]
    UsageThreshold,
    /// The organization has another plan, or its plan's terms have changed.
    #[serde(rename = "plan.changed")]
    PlanChanged,
    #[serde(rename = "subscription.changed")]
    SubscriptionChanged,
    /// A conversation waits for a person, or an agent took it.
    #[serde(rename = "conversation.handed_over")]
    ConversationHandedOver,
    /// The assistant answers in a conversation again.
    #[serde(rename = "conversation.returned")]
    ConversationReturned,
    #[serde(rename = "ticket.created")]
    TicketCreated,
    #[serde(rename = "ticket.updated")]
    TicketUpdated,
    /// Sent when an admin asks for it.
    #[serde(rename = "webhook.test")]
    WebhookTest,
}

impl Event {
    /// The events that a webhook may subscribe to.
    pub const CHOICE: [Self; 11] = [
        Self::ConnectionNeedsAuth,
        Self::ConnectionFailing,
        Self::ConnectionRecovered,
        Self::CredentialExpiring,
        Self::UsageThreshold,
        Self::PlanChanged,
        Self::SubscriptionChanged,
        Self::ConversationHandedOver,
        Self::ConversationReturned,
        Self::TicketCreated,
        Self::TicketUpdated,
    ];

    /// The event of this name, if a webhook may subscribe to it.
    pub fn subscribable(name: &str) -> Option<Self> {
        Self::CHOICE.into_iter().find(|event| event.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::ConnectionNeedsAuth => "connection.needs_auth",
            Self::ConnectionFailing => "connection.failing",
            Self::ConnectionRecovered => "connection.recovered",
            Self::CredentialExpiring => "credential.expiring",
            Self::UsageThreshold => "usage.threshold",
            Self::PlanChanged => "plan.changed",
            Self::SubscriptionChanged => "subscription.changed",
            Self::ConversationHandedOver => "conversation.handed_over",
            Self::ConversationReturned => "conversation.returned",
            Self::TicketCreated => "ticket.created",
            Self::TicketUpdated => "ticket.updated",
            Self::WebhookTest => "webhook.test",
        }
    }
}

impl AlertKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::NeedsAuth => "needs_auth",
            Self::ConnectionFailing => "connection_failing",
            Self::CredentialExpiring => "credential_expiring",
        }
    }

    pub fn severity(self) -> Severity {
        match self {
            Self::NeedsAuth | Self::ConnectionFailing => Severity::Critical,
            Self::CredentialExpiring => Severity::Warning,
        }
    }

    /// The event that is sent when such an alert is raised.
    pub fn event(self) -> Event {
        match self {
            Self::NeedsAuth => Event::ConnectionNeedsAuth,
            Self::ConnectionFailing => Event::ConnectionFailing,
            Self::CredentialExpiring => Event::CredentialExpiring,
        }
    }

    /// What an admin does next, besides what the alert's message says.
    pub fn advice(self, reason: Option<FailureReason>) -> &'static str {
        match (self, reason) {
            (Self::CredentialExpiring, _) => {
                "Make a new credential at the service and set it on the connection, or connect the account anew, before \
                 the old one ends."
            }
            (_, Some(reason)) => reason.advice(),
            (_, None) => FailureReason::NeedsAuth.advice(),
        }
    }
}

/// The connection that an alert is about, as it was at that time.
#[derive(Clone, Debug)]
pub struct AlertSubject {
    pub connection: ConnectionId,
    pub name: String,
    pub connector: String,
    pub environment: Environment,
}

/// An alert to raise, unless one is open for the same cause.
#[derive(Clone, Debug)]
pub struct NewAlert {
    pub kind: AlertKind,
    /// Identifies the problem. At most one alert is open for each cause.
    pub cause: String,
    pub title: String,
    /// What happened; redacted. Only the API shows it, because it may quote a service.
    pub message: Option<String>,
    pub reason: Option<FailureReason>,
}

/// What a change of health does to alerts.
#[derive(Clone, Debug)]
pub enum HealthChange {
    Raise(NewAlert),
    /// Resolves the open alerts about the connection's health.
    Recovered,
}

/// What a change of health does to alerts. `offered` says whether chats could use the connection: one that an admin
/// still sets up raises none.
pub fn health_change(before: &Health, after: &Health, subject: &AlertSubject, offered: bool) -> Option<HealthChange> {
    if before.state == after.state {
        return None;
    }
    let (kind, title) = match after.state {
        HealthState::Healthy => return Some(HealthChange::Recovered),
        HealthState::NeedsAuth => (AlertKind::NeedsAuth, "the service refused the credential"),
        HealthState::Failing => (AlertKind::ConnectionFailing, "it keeps failing"),
        HealthState::Unknown | HealthState::Degraded => return None,
    };
    offered.then(|| {
        HealthChange::Raise(NewAlert {
            kind,
            cause: health_cause(kind, subject.connection),
            title: format!("{}: {title}", subject.name),
            message: after.message.clone(),
            reason: after.reason,
        })
    })
}

/// The cause of an alert about a connection's health.
pub fn health_cause(kind: AlertKind, connection: ConnectionId) -> String {
    format!("{}:{connection}", kind.name())
}

/// The alert about a credential that expires. It is raised once for each expiry, even after somebody has acknowledged
/// it.
pub fn expiry(subject: &AlertSubject, ends: Timestamp) -> NewAlert {
    let kind = AlertKind::CredentialExpiring;
    NewAlert {
        kind,
        cause: format!("{}:{}:{ends}", kind.name(), subject.connection),
        title: format!("{}: the credential ends on {}", subject.name, ends.to_string().get(..10).unwrap_or_default()),
        message: None,
        reason: None,
    }
}

/// The body of a webhook message: `{type, timestamp, data}`, as Standard Webhooks defines it
/// (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>). It contains nothing
/// from a service, a customer or a credential.
pub fn payload(event: Event, at: Timestamp, data: Value) -> String {
    json!({"type": event, "timestamp": at, "data": data}).to_string()
}

/// The data of an event about an alert.
pub fn alert_data(
    id: AlertId,
    kind: AlertKind,
    title: &str,
    reason: Option<FailureReason>,
    subject: &AlertSubject,
) -> Value {
    json!({
        "alert": id, "kind": kind, "severity": kind.severity(), "title": title, "reason": reason,
        "what_to_do": kind.advice(reason), "connection": subject.data(),
    })
}

/// The data of an event about who answers in a conversation. What was said isn't in it.
pub fn conversation_data(
    id: ConversationId,
    state: ConversationState,
    by: Option<HandoverSource>,
    assignee: Option<Uuid>,
) -> Value {
    json!({"conversation": id, "state": state, "handed_over_by": by, "assignee": assignee})
}

/// The data of an event about a ticket. What it is about isn't in it.
pub fn ticket_data(id: TicketId, conversation: Option<ConversationId>, fields: &TicketFields) -> Value {
    json!({
        "ticket": id, "conversation": conversation, "status": fields.status, "priority": fields.priority,
        "assignee": fields.assignee, "due_at": fields.due_at,
    })
}

impl AlertSubject {
    /// The JSON of this connection in an event.
    pub fn data(&self) -> Value {
        json!({"id": self.connection, "name": self.name, "connector": self.connector, "environment": self.environment})
    }
}

/// The wait after delivery attempt number `tries` (from 1) failed; `None` after the last one. `chance`, a random byte,
/// varies it by up to a fifth in both directions. The eight attempts take most of a day.
pub fn wait_after(tries: u32, chance: u8) -> Option<Duration> {
    const WAITS: [u64; 7] = [10, 60, 300, 1800, 7200, 18_000, 36_000];
    let seconds = WAITS.get(usize::try_from(tries.checked_sub(1)?).ok()?)?;
    Some(Duration::from_secs(*seconds).mul_f64(0.8 + 0.4 * f64::from(chance) / 255.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::health::{HealthSignal, Schedule};

    fn subject() -> AlertSubject {
        AlertSubject {
            connection: ConnectionId(Uuid::nil()),
            name: "Our shop".to_owned(),
            connector: "shopify".to_owned(),
            environment: Environment::Production,
        }
    }

    fn at(seconds: u64) -> Timestamp {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        start.plus(Duration::from_secs(seconds))
    }

    fn raised(news: Option<HealthChange>) -> Option<AlertKind> {
        match news? {
            HealthChange::Raise(alert) => Some(alert.kind),
            HealthChange::Recovered => None,
        }
    }

    #[test]
    fn a_change_for_the_worse_is_raised_once_and_a_success_ends_it() {
        let bad = |reason| HealthSignal::Bad { reason, message: "secret words of a service".to_owned() };
        let mut before = Health::unknown(at(0));
        let mut kinds = Vec::new();
        for n in 1..=5 {
            let after = before.after(bad(FailureReason::Upstream), Schedule::default(), 0, at(n));
            kinds.push(raised(health_change(&before, &after, &subject(), true)));
            assert_eq!(raised(health_change(&before, &after, &subject(), false)), None, "nobody uses it yet");
            before = after;
        }
        assert_eq!(kinds, [None, None, Some(AlertKind::ConnectionFailing), None, None]);
        let after = before.after(bad(FailureReason::NeedsAuth), Schedule::default(), 0, at(6));
        assert_eq!(raised(health_change(&before, &after, &subject(), true)), Some(AlertKind::NeedsAuth));
        let healthy = after.after(HealthSignal::Good, Schedule::default(), 0, at(7));
        assert!(matches!(health_change(&after, &healthy, &subject(), false), Some(HealthChange::Recovered)));
        assert!(health_change(&healthy, &healthy, &subject(), true).is_none());
    }

    #[test]
    fn a_webhook_hears_nothing_that_a_service_said() {
        let data = alert_data(
            AlertId(Uuid::nil()),
            AlertKind::ConnectionFailing,
            "Our shop: it keeps failing",
            Some(FailureReason::Upstream),
            &subject(),
        );
        let sent: Value = serde_json::from_str(&payload(Event::ConnectionFailing, at(0), data)).unwrap();
        assert_eq!(
            (&sent["type"], &sent["data"]["kind"]),
            (&json!("connection.failing"), &json!("connection_failing"))
        );
        assert_eq!(sent["timestamp"], "2026-01-01T00:00:00Z");
        assert_eq!(sent["data"]["connection"]["name"], "Our shop");
        for event in Event::CHOICE {
            assert_eq!(serde_json::to_value(event).unwrap(), event.name());
        }
    }

    #[test]
    fn a_delivery_is_tried_eight_times_within_a_day() {
        let waits: Vec<Duration> = (1..).map_while(|tries| wait_after(tries, 255)).collect();
        assert_eq!(waits.len(), 7);
        assert!(waits.iter().sum::<Duration>() < Duration::from_secs(24 * 3600));
        assert_eq!(wait_after(1, 0), Some(Duration::from_secs(8)));
        assert_eq!(wait_after(0, 0), None);
    }
}
