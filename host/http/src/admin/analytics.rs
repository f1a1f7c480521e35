//! `/api/admin/analytics`: what became of conversations, and the conversations behind each number.

use std::sync::Arc;

use axum::{Json, extract::State};
use http::StatusCode;
use resly_core::{
    id::{ConversationId, KeyId},
    outcome::{Outcome, RULES_VERSION},
    time::Timestamp,
};
use resly_service::{
    App,
    analytics::{self, Card, Group, Interval, Numbers, ReportQuery, Share, Span, SpanError},
};
use resly_store::ListedOutcome;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    guard::Admin,
    openapi_enums,
    pagination::{self, Page},
    problem::Problem,
    query::{FromQuery, NoParameters, Parameters, Query},
};

/// A part of a whole.
#[derive(Serialize, ToSchema)]
pub struct OutcomeShare {
    part: u64,
    whole: u64,
}

impl From<Share> for OutcomeShare {
    fn from(Share { part, whole }: Share) -> Self {
        Self { part, whole }
    }
}

/// The numbers of some conversations. `docs/analytics` says what each means.
#[derive(Serialize, ToSchema)]
pub struct OutcomeNumbers {
    conversations: u64,
    /// Too new to say what became of them. The shares leave them out.
    open: u64,
    /// By the assistant alone.
    resolved: OutcomeShare,
    /// The same, without visitors who came back within seven days.
    durable: OutcomeShare,
    handed_over: OutcomeShare,
    abandoned: OutcomeShare,
    /// Those that needed nobody of the team, resolved or not.
    deflected: OutcomeShare,
    /// Good ratings of all ratings.
    satisfaction: OutcomeShare,
    reopened: u64,
    messages: u64,
    answers: u64,
    unanswered_questions: u64,
    /// On average.
    #[schema(required)]
    first_answer_ms: Option<u64>,
}

impl From<Numbers> for OutcomeNumbers {
    fn from(numbers: Numbers) -> Self {
        let total = numbers.total();
        Self {
            conversations: total.conversations,
            open: numbers.of(Outcome::Open).conversations,
            resolved: numbers.resolved().into(),
            durable: numbers.durable().into(),
            handed_over: numbers.handed_over().into(),
            abandoned: numbers.abandoned().into(),
            deflected: numbers.deflected().into(),
            satisfaction: numbers.satisfaction().into(),
            reopened: total.reopened,
            messages: total.messages,
            answers: total.answers,
            unanswered_questions: total.unanswered,
            first_answer_ms: numbers.first_answer_ms(),
        }
    }
}

/// The numbers of a day, a week, a language, a key or a tag.
#[derive(Serialize, ToSchema)]
pub struct OutcomeGroup {
    /// A day, the Monday of a week, a language's BCP-47 code (`und` where it isn't known), a key's id, or a tag.
    group: String,
    /// Of a key that there is.
    #[schema(required)]
    name: Option<String>,
    numbers: OutcomeNumbers,
}

impl From<Group> for OutcomeGroup {
    fn from(Group { id, name, numbers }: Group) -> Self {
        Self { group: id, name, numbers: numbers.into() }
    }
}

/// The numbers of a span.
#[derive(Serialize, ToSchema)]
pub struct AnalyticsReport {
    /// The first and the last day (UTC).
    from: String,
    to: String,
    #[schema(value_type = openapi_enums::Interval)]
    by: Interval,
    /// By which version of the rules outcomes are computed.
    rules_version: u64,
    total: OutcomeNumbers,
    /// Of as many days right before.
    previous: OutcomeNumbers,
    /// Every day or week, oldest first.
    intervals: Vec<OutcomeGroup>,
    languages: Vec<OutcomeGroup>,
    keys: Vec<OutcomeGroup>,
    tags: Vec<OutcomeGroup>,
}

/// A conversation behind a number.
#[derive(Serialize, ToSchema)]
pub struct ConversationOutcome {
    #[schema(value_type = String, format = "uuid")]
    conversation_id: ConversationId,
    #[schema(value_type = openapi_enums::Outcome)]
    outcome: Outcome,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    language: String,
    messages: u64,
    rated_up: u64,
    rated_down: u64,
    #[schema(required)]
    first_question: Option<String>,
}

impl From<ListedOutcome> for ConversationOutcome {
    fn from(listed: ListedOutcome) -> Self {
        let ListedOutcome { conversation, outcome, started_at, language, messages, .. } = listed;
        let ListedOutcome { rated_up, rated_down, first_question, .. } = listed;
        let conversation_id = conversation;
        Self { conversation_id, outcome, started_at, language, messages, rated_up, rated_down, first_question }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ConversationOutcomes {
    conversations: Vec<ConversationOutcome>,
    /// `before` of the next page; `null` on the last.
    #[schema(required)]
    next: Option<String>,
}

/// The parameters of a span of days.
pub(super) struct SpanParameters {
    from: Option<String>,
    to: Option<String>,
}

impl SpanParameters {
    pub(super) fn read(parameters: &mut Parameters) -> Self {
        let day = |text: &str| analytics::is_day(text).then(|| text.to_owned());
        let expected = "a day such as 2026-11-30";
        Self { from: parameters.parsed("from", day, expected), to: parameters.parsed("to", day, expected) }
    }

    pub(super) fn span(&self, app: &App) -> Result<Span, Problem> {
        Span::parse(self.from.as_deref(), self.to.as_deref(), app.clock.now())
            .map_err(|error: SpanError| Problem::invalid_at("from", error.to_string()))
    }
}

/// Which conversations are meant.
struct Filter {
    span: SpanParameters,
    key: Option<KeyId>,
    language: Option<String>,
    tag: Option<String>,
}

impl Filter {
    fn read(parameters: &mut Parameters) -> Self {
        Self {
            span: SpanParameters::read(parameters),
            key: parameters.id("key"),
            language: parameters.text("language"),
            tag: parameters.text("tag"),
        }
    }

    fn query(self, app: &App) -> Result<ReportQuery, Problem> {
        let span = self.span.span(app)?;
        Ok(ReportQuery { span, key: self.key, language: self.language, tag: self.tag })
    }
}

pub struct ReportParameters {
    filter: Filter,
    by: Interval,
}

impl FromQuery for ReportParameters {
    fn from_query(parameters: &mut Parameters) -> Self {
        let filter = Filter::read(parameters);
        Self { filter, by: parameters.choice("by", &Interval::ALL, Interval::name).unwrap_or(Interval::Day) }
    }
}

pub struct ListParameters {
    filter: Filter,
    card: Card,
    page: Page,
}

impl FromQuery for ListParameters {
    fn from_query(parameters: &mut Parameters) -> Self {
        let filter = Filter::read(parameters);
        let card = parameters.choice("card", &Card::ALL, Card::name).unwrap_or(Card::Conversations);
        Self { filter, card, page: Page::from_query(parameters) }
    }
}

/// What became of conversations, with the numbers of the span before, by day or week, language, key and tag.
#[utoipa::path(get, path = "/api/admin/analytics", tag = "admin", operation_id = "getAnalytics",
    params(
        ("from" = Option<String>, Query, description = "The first day (UTC), such as `2026-11-01`; 29 days before `to` by default"),
        ("to" = Option<String>, Query, description = "The last day; today by default. A span has 366 days at most"),
        ("by" = Option<String>, Query, description = "`day` (the default) or `week`"),
        ("key" = Option<String>, Query, description = "Only conversations of this key: the id of the first of a chain of rotations"),
        ("language" = Option<String>, Query, description = "Only conversations in this language, such as `en`"),
        ("tag" = Option<String>, Query, description = "Only conversations with this tag")),
    responses((status = 200, description = "The report", body = AnalyticsReport)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(ReportParameters { filter, by }): Query<ReportParameters>,
) -> Result<Json<AnalyticsReport>, Problem> {
    let query = filter.query(&app)?;
    let report = analytics::report(&app, principal.organization, &query, by).await?;
    let interval = |(group, numbers): (String, Numbers)| OutcomeGroup { group, name: None, numbers: numbers.into() };
    let groups = |groups: Vec<Group>| groups.into_iter().map(OutcomeGroup::from).collect();
    Ok(Json(AnalyticsReport {
        from: query.span.first(),
        to: query.span.last(),
        by,
        rules_version: RULES_VERSION,
        total: report.total.into(),
        previous: report.previous.into(),
        intervals: report.intervals.into_iter().map(interval).collect(),
        languages: groups(report.languages),
        keys: groups(report.keys),
        tags: groups(report.tags),
    }))
}

/// The conversations behind a number of the report, newest first: as many as the number says.
#[utoipa::path(get, path = "/api/admin/analytics/conversations", tag = "admin", operation_id = "listConversationOutcomes",
    params(
        ("card" = Option<String>, Query, description = "`conversations` (the default), `resolved`, `durable`, `handed_over`, `abandoned`, `open`, `rated` or `deflected`"),
        ("from" = Option<String>, Query, description = "The first day (UTC), such as `2026-11-01`; 29 days before `to` by default"),
        ("to" = Option<String>, Query, description = "The last day; today by default. A span has 366 days at most"),
        ("key" = Option<String>, Query, description = "Only conversations of this key: the id of the first of a chain of rotations"),
        ("language" = Option<String>, Query, description = "Only conversations in this language, such as `en`"),
        ("tag" = Option<String>, Query, description = "Only conversations with this tag"),
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent")),
    responses((status = 200, description = "A page, newest first", body = ConversationOutcomes)))]
pub async fn conversations(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(ListParameters { filter, card, page }): Query<ListParameters>,
) -> Result<Json<ConversationOutcomes>, Problem> {
    let query = filter.query(&app)?;
    let (organization, limit) = (principal.organization, page.limit);
    let mut found = analytics::conversations(&app, organization, &query, card, page.before, limit + 1).await?;
    let more = pagination::cut(&mut found, limit);
    let next = pagination::next(&found, more, |listed| (listed.started_at, listed.id));
    Ok(Json(ConversationOutcomes { conversations: found.into_iter().map(ConversationOutcome::from).collect(), next }))
}

/// Has all outcomes computed again by the rules. Numbers change within minutes, step by step.
#[utoipa::path(post, path = "/api/admin/analytics/recompute", tag = "admin", operation_id = "recomputeAnalytics",
    responses((status = 202, description = "It is being done")))]
pub async fn recompute(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<StatusCode, Problem> {
    analytics::recompute(&app, principal.organization).await?;
    Ok(StatusCode::ACCEPTED)
}
