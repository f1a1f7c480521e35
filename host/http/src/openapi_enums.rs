//! The schemas of the domain's enums for the OpenAPI document: the domain itself knows nothing of OpenAPI.
//!
//! A view names one with `#[schema(value_type = openapi_enums::HealthState)]`.

use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $domain:ty { $($variant:ident),+ $(,)? })+) => {$(
        $(#[$doc])*
        pub enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                // A variant that is missing in this file doesn't compile.
                let _ = |value: $domain| match value { $(<$domain>::$variant => (),)+ };
                one_of(&[$(<$domain>::$variant),+])
            }
        }

        impl ToSchema for $name {}
    )+};
}

names! {
    ActorKind = resly_core::actor::ActorKind { Member, Key, Operator, System }
    AlertKind = resly_core::alert::AlertKind { NeedsAuth, ConnectionFailing, CredentialExpiring }
    AlertState = resly_core::alert::AlertState { Open, Resolved }
    ApprovalState = resly_core::approval::ApprovalState { Pending, Approved, Declined, Expired, Executed, Failed }
    AuthType = resly_manifest::AuthType { None, ApiKey, Bearer, Basic, Oauth2 }
    CallerKind = resly_core::connector::connection::CallerKind { Admin, Chat, Crawl, Health }
    ConnectionStatus = resly_core::connector::connection::ConnectionStatus { Installed, Enabled, Disabled, NeedsAuth }
    ConversationState = resly_core::conversation::handover::ConversationState { Ai, Waiting, Agent, Closed }
    CrawlStatus = resly_core::knowledge::crawl::CrawlStatus { Queued, Running, Done, Failed }
    CrawledPageState = resly_core::knowledge::crawl::CrawledPageState { Found, Ready, Failed, Skipped }
    DeletionState = resly_store::DeletionState { Pending, Done }
    DeliveryState = resly_store::DeliveryState { Pending, Delivered, Failed }
    Environment = resly_core::connector::connection::Environment { Sandbox, Production }
    Event = resly_core::alert::Event {
        ConnectionNeedsAuth, ConnectionFailing, ConnectionRecovered, CredentialExpiring, UsageThreshold, PlanChanged,
        SubscriptionChanged, ConversationHandedOver, ConversationReturned, TicketCreated, TicketUpdated, WebhookTest,
    }
    FaultKind = resly_core::connector::fault::FaultKind {
        InvalidInput, NotFound, Upstream, NeedsAuth, RateLimited, Internal, Trap, Fuel, Deadline, Memory, TooLarge,
        Output, Busy, Component, Mapping, Denied, Limit, CircuitOpen, UnexpectedAnswer, NoFixture,
    }
    Feature = resly_core::plan::Feature { Chat, Search, Rest, CustomConnectors, Webhooks, Crawls, Documents }
    FinishReason = resly_core::model::FinishReason { Stop, ToolCalls, Length, ContentFilter, Other }
    Gap = resly_core::outcome::Gap { NoSource, RatedDown }
    HandoverSource = resly_core::conversation::handover::HandoverSource { Visitor, Rule, Model, Agent }
    HealthState = resly_core::connector::health::HealthState { Unknown, Healthy, Degraded, Failing, NeedsAuth }
    Interval = resly_service::analytics::Interval { Day, Week }
    KeyKind = resly_core::principal::KeyKind { Secret, Publishable }
    LimitLevel = resly_core::meter::LimitLevel { Plan, Key, Visitor }
    LimitWindow = resly_core::meter::LimitWindow { Minute, Day, Month }
    LogLevel = resly_core::connector::sandbox::LogLevel { Debug, Info, Warn, Error }
    MemberRole = resly_core::member::Role { Owner, Admin, Agent, Viewer }
    MessageStatus = resly_core::conversation::MessageStatus {
        Streaming, Complete, Cancelled, Failed, Interrupted, HandedOver,
    }
    Meter = resly_core::meter::Meter {
        Messages, Embeddings, ConnectorCalls, Fuel, ModelInputTokens, ModelCachedInputTokens, ModelOutputTokens,
    }
    Origin = resly_core::connector::connection::Origin { Bundled, Declarative, Uploaded }
    Outcome = resly_core::outcome::Outcome { Autonomous, Durable, HandedOver, Abandoned, Open }
    Owner = resly_core::connector::connection::Owner { Organization, Visitor }
    Rating = resly_core::outcome::Rating { Up, Down }
    Reason = resly_core::connector::failure_reason::FailureReason {
        RequestConfiguration, NeedsAuth, Upstream, RateLimited, Mapping, Denied, Limit, Internal,
    }
    Role = resly_core::model::Role { User, Assistant, Agent }
    Scope = resly_core::principal::Scope { Chat, Search, Admin, Operator, DataRead, DataWrite }
    Severity = resly_core::alert::Severity { Warning, Critical }
    SideEffect = resly_manifest::SideEffect { Read, Write }
    SourceFailureKind = resly_core::knowledge::FailureKind {
        UnsupportedFormat, Damaged, Encrypted, Empty, TooLarge, LimitReached, Unreachable, Gone, NotIndexable, Interrupted,
        Embedder, Internal,
    }
    SourceKind = resly_core::knowledge::SourceKind { Text, File, Page, CrawledPage, ListItem }
    SourceStatus = resly_core::knowledge::SourceStatus { Queued, Reading, Ready, Failed }
    SubscriptionStatus = resly_core::plan::SubscriptionStatus { Trial, Active, PastDue, Expired }
    UsageGrouping = resly_store::UsageGrouping { Day, Key, Connection, Conversation }
    VersionApproval = resly_core::connector::approval::Approval { NotNeeded, Pending, Approved, Rejected }
    VersionState = resly_store::VersionState { Ready, Compiling, Refused, Deleted }
}

/// The schema of a string that is one of these names.
fn one_of<T: Serialize>(variants: &[T]) -> RefOr<Schema> {
    let names = variants.iter().map(serde_json::to_value).filter_map(Result::ok);
    Schema::from(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names))).into()
}
