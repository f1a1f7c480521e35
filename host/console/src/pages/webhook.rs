//! Account → Webhook: where alerts and billing events are sent, its secret, a test, and the messages with replay.

use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{alert::Event, member::Permission, plan::Feature, time::Timestamp};
use resly_http::{
    Api,
    pagination::{self, cut},
    problem::Problem,
};
use resly_service::{
    plans,
    webhooks::{self, RotatedSecret, WebhookError, WebhookOverview, WebhookSpec},
};
use resly_store::{Delivery, DeliveryState, Webhook};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{
    access::{Admin, Viewer},
    error::{PageError, sentence},
    fields::{Fields, Submitted},
    frame::Page,
    member::Member,
    mistakes::Mistakes,
    parts::{
        Choice, Field, Table, Tone, alert, badge, button, choices, confirm, copyable, countdown, facts, form, icon,
        pager, select, submit, when,
    },
    reply,
};

const PATH: &str = "/console/account/webhook";
const ROWS: u32 = 50;

/// How long the old secret signs beside the new one, in seconds.
const OVERLAPS: [(&str, &str); 4] =
    [("86400", "For a day"), ("3600", "For an hour"), ("604800", "For a week"), ("0", "Not at all: it leaked")];

#[derive(Deserialize)]
pub struct Parameters {
    before: Option<String>,
}

/// What a form did that couldn't be done.
#[derive(Default)]
struct Refused {
    typed: Option<(WebhookForm, Mistakes)>,
    notice: Option<String>,
}

/// What the fields show.
struct WebhookForm {
    url: String,
    events: Vec<String>,
}

impl WebhookForm {
    fn of(webhook: Option<&Webhook>) -> Self {
        let events = webhook.and_then(|webhook| webhook.events.clone()).unwrap_or_else(|| Event::CHOICE.to_vec());
        let url = webhook.map(|webhook| webhook.url.clone()).unwrap_or_default();
        Self { url, events: events.into_iter().map(|event| event.name().to_owned()).collect() }
    }

    fn read(fields: &Fields) -> Self {
        Self {
            url: fields.text("url").to_owned(),
            events: fields.all("events").into_iter().map(str::to_owned).collect(),
        }
    }
}

fn event_words(event: Event) -> &'static str {
    match event {
        Event::ConnectionNeedsAuth => "A service refuses a connection's credential",
        Event::ConnectionFailing => "A connection keeps failing",
        Event::ConnectionRecovered => "A connection works again",
        Event::CredentialExpiring => "A credential expires soon",
        Event::UsageThreshold => "70, 90 or 100 % of a limit is used",
        Event::PlanChanged => "The plan changed",
        Event::SubscriptionChanged => "The subscription changed",
        Event::ConversationHandedOver => "A conversation waits for a person, or an agent took it",
        Event::ConversationReturned => "A conversation was given back to the assistant",
        Event::TicketCreated => "A ticket was opened",
        Event::TicketUpdated => "A ticket was changed",
        Event::WebhookTest => "A test",
    }
}

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(Parameters { before }): Query<Parameters>,
) -> Result<Page, PageError> {
    draw(member, &api, before.as_deref(), Refused::default()).await
}

async fn draw(member: Member, api: &Api, before: Option<&str>, refused: Refused) -> Result<Page, PageError> {
    let cursor = before.and_then(pagination::decode);
    let found = webhooks::overview(&api.app, member.session.organization, cursor, ROWS + 1).await?;
    let WebhookOverview { webhook, mut deliveries } = found;
    let more = cut(&mut deliveries, ROWS);
    let next = pagination::next(&deliveries, more, |delivery| (delivery.created_at, delivery.id.0));
    let may = member.may(Permission::Manage);
    let now = api.app.clock.now();
    let Refused { typed, notice } = refused;
    let first = before.is_none();
    let body = html! {
        @if let Some(notice) = &notice { (alert(notice)) }
        @if first {
            @if let Some(webhook) = &webhook { (current(&member, webhook, now, may)) }
            @if may { (settings(&member, webhook.as_ref(), typed)) }
            @else if webhook.is_none() { (crate::parts::empty("No webhook is set", "An admin or an owner sets where alerts are sent.", &html! {})) }
        }
        @if webhook.is_some() || !deliveries.is_empty() {
            section class="section" {
                h2 { "Messages" }
                (messages(&member, &deliveries, may))
                (pager(PATH, next.as_deref()))
            }
        }
    };
    let lead = html! { "Tells a server of yours about failing connections, limits and the plan. " a href="/docs/alerts" { "What it gets, and how it is signed" } };
    Ok(Page::new(member, "Webhook", body).lead(lead))
}

fn current(member: &Member, webhook: &Webhook, now: Timestamp, may: bool) -> Markup {
    let chosen = webhook.events.as_ref().map_or(Event::CHOICE.len(), Vec::len);
    let mut known = vec![
        ("Address", html! { code { (webhook.url) } }),
        ("Events", html! { (chosen) " of " (Event::CHOICE.len()) }),
        ("Since", when(webhook.created_at)),
    ];
    if let Some((_, until)) = webhook.previous.as_ref().filter(|(_, until)| *until > now) {
        known.push(("The old secret signs for", countdown(now, *until)));
    }
    let overlap =
        Field { name: "overlap", label: "The old secret signs on", value: "86400", required: true, ..Field::default() };
    let overlaps = OVERLAPS.map(|(value, label)| Choice { value, label, hint: None });
    html! {
        section class="panel" {
            h2 { "The webhook" }
            (facts(&known))
            @if may {
                div class="form-end" {
                    (form(&member.form_token, &format!("{PATH}/test"), &html! { button class="button" { "Send a test" } }))
                    (crate::parts::dialog("rotate-secret", "", "Rotate the secret", "Rotate the secret", &form(&member.form_token, &format!("{PATH}/rotate"), &html! {
                        p { "Messages carry a signature under each secret meanwhile, so that nothing is lost while you change your server." }
                        (select(&overlap, &overlaps))
                        (submit("Rotate the secret"))
                    })))
                    (confirm(&member.form_token, "remove-webhook", "Remove", "Remove the webhook?", &html! {
                        p { "Nothing is sent any more, and messages that wait for another try are given up. Alerts stay in the console." }
                    }, &format!("{PATH}/remove"), "Remove it"))
                }
            }
        }
    }
}

fn settings(member: &Member, webhook: Option<&Webhook>, typed: Option<(WebhookForm, Mistakes)>) -> Markup {
    let (typed, mistakes) = typed.unwrap_or_else(|| (WebhookForm::of(webhook), Mistakes::default()));
    let options =
        Event::CHOICE.map(|event| Choice { value: event.name(), label: event_words(event), hint: Some(event.name()) });
    let chosen: Vec<&str> = typed.events.iter().map(String::as_str).collect();
    let url = Field {
        kind: "url",
        name: "url",
        label: "Address",
        value: &typed.url,
        hint: Some("https, at a public address. It answers 2xx within 15 seconds."),
        error: mistakes.at("url"),
        required: true,
        placeholder: Some("https://hooks.example.com/resly"),
        length: Some(2048),
        ..Field::default()
    };
    html! {
        section class="panel" {
            h2 { @if webhook.is_some() { "Change it" } @else { "Set a webhook" } }
            (form(&member.form_token, PATH, &html! {
                (url.draw())
                (choices("Events", "events", true, &chosen, &options))
                @if let Some(mistake) = mistakes.at("events") { p class="mistake" role="alert" { (mistake) } }
                (submit(if webhook.is_some() { "Save" } else { "Set the webhook" }))
            }))
        }
    }
}

fn messages(member: &Member, deliveries: &[Delivery], may: bool) -> Markup {
    if deliveries.is_empty() {
        return html! { p class="quiet" { "Nothing was sent yet. A test shows whether your server answers." } };
    }
    let mut table = Table::new("Messages to the webhook", &["When", "Event", "State", "#Tries", ""]);
    for delivery in deliveries {
        let again = html! {
            @if may && delivery.state != DeliveryState::Pending {
                (form(&member.form_token, &format!("{PATH}/messages/{}/replay", delivery.id), &html! { button class="link" { "Send again" } }))
            }
        };
        let what = html! { (event_words(delivery.event)) " " code class="quiet" { (delivery.event.name()) } };
        table.row(vec![when(delivery.created_at), what, state(delivery), html! { (delivery.tries) }, again]);
    }
    table.draw()
}

fn state(delivery: &Delivery) -> Markup {
    html! {
        @match delivery.state {
            DeliveryState::Delivered => (badge(Tone::Good, "delivered")),
            DeliveryState::Failed => (badge(Tone::Bad, "given up")),
            DeliveryState::Pending => { (badge(Tone::Warn, "waits")) @if let Some(at) = delivery.next_try_at { " next try " (when(at)) } },
        }
        @if let Some(error) = delivery.last_error.as_ref().filter(|_| delivery.state != DeliveryState::Delivered) {
            p class="hint" { (sentence(error)) }
        }
    }
}

/// The page that shows a secret: once.
fn shown(member: Member, title: &str, secret: &SecretString, next: &Markup) -> Page {
    let body = html! {
        section class="panel" {
            h2 { "Copy it now" }
            p class="secret" { (copyable("the secret", secret.expose_secret())) }
            p class="notice warn" { (icon("warn")) "It isn't shown again. Your server verifies with it that a message is from here." }
            (next)
        }
        p { (button(PATH, "Done")) }
    };
    Page::new(member, title, body).above(PATH, "Webhook")
}

/// The page again, with why a form couldn't be done.
async fn refuse(
    member: Member,
    api: &Api,
    error: WebhookError,
    typed: Option<WebhookForm>,
) -> Result<Response, PageError> {
    let refused = match error {
        WebhookError::Invalid(mistakes) if typed.is_some() => {
            Refused { typed: typed.map(|typed| (typed, mistakes.into())), notice: None }
        }
        other => {
            let problem = Problem::from(other);
            if problem.kind().status.is_server_error() {
                return Err(problem.into());
            }
            Refused { typed: None, notice: Some(sentence(problem.detail())) }
        }
    };
    Ok(draw(member, api, None, refused).await?.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
}

/// Refuses what the plan doesn't include, as the API does.
async fn require(member: &Member, api: &Api) -> Result<(), PageError> {
    let allowed = plans::require(&api.app.store, member.session.organization, Feature::Webhooks).await;
    allowed.map_err(|error| Problem::from(error).into())
}

pub async fn set(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    require(&member, &api).await?;
    let typed = WebhookForm::read(&fields);
    // All of them is those of later releases, too.
    let events = (typed.events.len() < Event::CHOICE.len()).then(|| typed.events.clone());
    let spec = WebhookSpec { url: typed.url.clone(), events };
    match webhooks::set(&api.app, member.session.organization, spec).await {
        Ok(saved) => match saved.secret {
            Some(secret) => {
                let next = html! { p { "Then send a test: your server shows that it answers." } };
                Ok(shown(member, "The webhook is set", &secret, &next).into_response())
            }
            None => Ok(reply::done(PATH, "The webhook is changed. Its secret stays.")),
        },
        Err(error) => refuse(member, &api, error, Some(typed)).await,
    }
}

pub async fn rotate(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    require(&member, &api).await?;
    let overlap = fields.text("overlap").parse().ok();
    match webhooks::rotate_secret(&api.app, member.session.organization, overlap).await {
        Ok(RotatedSecret { secret, previous_until }) => {
            let now = api.app.clock.now();
            let next = html! {
                @if previous_until > now { p { "Messages are signed with the old secret, too, for " (countdown(now, previous_until)) "." } }
                @else { p { "The old secret signs no more." } }
            };
            Ok(shown(member, "The new secret", &secret, &next).into_response())
        }
        Err(error) => refuse(member, &api, error, None).await,
    }
}

pub async fn test(Admin(member): Admin, State(api): State<Api>, _: Submitted) -> Result<Response, PageError> {
    require(&member, &api).await?;
    let Some(tested) = api.app.hooks.test(member.session.organization).await? else {
        return refuse(member, &api, WebhookError::Missing, None).await;
    };
    match tested.error {
        None => Ok(reply::done(PATH, "Your server took the test.")),
        Some(error) => {
            let refused = Refused { typed: None, notice: Some(format!("The test failed: {}", sentence(&error))) };
            let page = draw(member, &api, None, refused).await?;
            Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
        }
    }
}

pub async fn replay(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Submitted,
) -> Result<Response, PageError> {
    require(&member, &api).await?;
    let replayed = match id.parse() {
        Ok(id) => webhooks::replay(&api.app, member.session.organization, id).await,
        Err(_) => Err(WebhookError::NoMessage),
    };
    match replayed {
        Ok(()) => Ok(reply::done(PATH, "The message is sent again, within seconds.")),
        Err(error) => refuse(member, &api, error, None).await,
    }
}

pub async fn remove(Admin(member): Admin, State(api): State<Api>, _: Submitted) -> Result<Response, PageError> {
    let removed = api.app.store.delete_webhook(member.session.organization, api.app.clock.now()).await?;
    if removed {
        return Ok(reply::done(PATH, "The webhook is removed."));
    }
    refuse(member, &api, WebhookError::Missing, None).await
}
