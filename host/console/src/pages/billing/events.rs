//! Account → Billing → Events: the journal behind the bill, newest first.

use axum::extract::{Query, State};
use maud::{Markup, html};
use resly_http::{
    Api,
    pagination::{self, cut},
};
use resly_store::BillingEvent;
use serde::Deserialize;
use serde_json::Value;

use super::{EVENTS, billing_tabs, words};
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    numbers::{count, thousands},
    parts::{Table, empty, pager, when},
};

const ROWS: u32 = 50;

#[derive(Deserialize)]
pub struct Parameters {
    before: Option<String>,
}

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(Parameters { before }): Query<Parameters>,
) -> Result<Page, PageError> {
    let before = before.as_deref().and_then(pagination::decode);
    let mut events = api.app.store.billing_events(member.session.organization, before, ROWS + 1).await?;
    let more = cut(&mut events, ROWS);
    let next = pagination::next(&events, more, |event| (event.created_at, event.id));
    let mut table = Table::new("Billing events", &["When", "What", "#Counted"]);
    for event in &events {
        table.row(vec![when(event.created_at), html! { (what(event)) }, quantity(event)]);
    }
    let body = html! {
        @if table.is_empty() && before.is_none() {
            (empty("Nothing was counted yet", "Each chat, search, connector call and reading of content is written down here as it is counted, and so are changes of the plan.", &html! {}))
        } @else {
            (table.draw())
            (pager(EVENTS, next.as_deref()))
        }
        p class="hint" { "The same rows are in the table " code { "billing_events" } ", for " a href="/docs/dashboards" { "dashboards" } " and " a href="/docs/rest" { "REST" } "." }
    };
    let lead = html! { "Everything that was counted, one by one." };
    Ok(Page::new(member, "Billing", body).lead(lead).tabs(billing_tabs(EVENTS)))
}

fn quantity(event: &BillingEvent) -> Markup {
    let Some(meter) = event.meter.filter(|_| event.quantity != 0) else { return html! {} };
    let unit = words::meter(meter).to_lowercase();
    html! { (count(event.quantity)) " " span class="quiet" { (unit) } }
}

fn what(event: &BillingEvent) -> String {
    let detail = |name: &str| event.detail.as_ref().and_then(|detail| detail.get(name));
    let text = |name: &str| detail(name).and_then(Value::as_str).unwrap_or("?").to_owned();
    let number = |name: &str| detail(name).and_then(Value::as_u64).unwrap_or(0);
    match event.kind.as_str() {
        "chat" => "A question was answered".to_owned(),
        "search" => "A search".to_owned(),
        "ingest" => "Content was read in".to_owned(),
        "connector_call" => "A connector was called".to_owned(),
        "refund" => "Given back: there was no answer".to_owned(),
        "plan_changed" if text("from") == text("to") => "The plan's terms have changed".to_owned(),
        "plan_changed" => format!("The plan changed from {} to {}", text("from"), text("to")),
        "subscription_changed" => format!("The subscription changed from {} to {}", text("from"), text("to")),
        "usage_threshold" => {
            let name = event.meter.map_or("usage", words::meter);
            format!("{name}: {} % of {} reached", number("percent"), thousands(number("limit")))
        }
        other => other.to_owned(),
    }
}
