//! The log of connector calls, what was billed, and the sums that the store keeps of it.

use anyhow::{Context, Result};

use super::{
    fill::Filling,
    sql::{Sql, at, both, fixed, insert, insert_where, json, when},
};
use crate::grow::Bare;

const LOG_DAYS: u64 = 30;
/// For each conversation two questions, with an entry for each of three meters.
const ENTRIES: u64 = 6;

pub async fn insert_journal(filling: &Filling, bare: &mut Bare) -> Result<()> {
    calls(filling, bare).await?;
    chats(filling, bare).await?;
    for (kind, meter, quantity) in [(32, "connector_calls", "1"), (33, "fuel", "900000")] {
        billed_calls(filling, bare, kind, meter, quantity).await?;
    }
    sums(filling, bare).await
}

/// The call's connection, as a number.
fn connection(filling: &Filling) -> String {
    format!("(i * 7 % {})", filling.size.connections)
}

/// Most calls are made under a few keys, and some under any.
fn key(filling: &Filling) -> Sql {
    filling.key(&format!("(CASE WHEN i % 10 < 8 THEN i % 3 ELSE i % {} END)", filling.size.keys))
}

/// The calls belong to the newest third of the conversations.
fn conversation(filling: &Filling) -> Sql {
    let (all, calls) = (filling.size.conversations, filling.size.calls);
    filling.conversation(&format!("({all} - {all} / 3 + i * ({all} / 3) / {calls})"))
}

async fn calls(filling: &Filling, bare: &mut Bare) -> Result<()> {
    let spread = filling.spread(LOG_DAYS, filling.size.calls);
    let connection = connection(filling);
    let status = "CASE WHEN i % 33 = 0 THEN 'upstream' WHEN i % 997 = 0 THEN 'limit' ELSE 'ok' END";
    let failed = "(i % 33 = 0 OR i % 997 = 0)";
    let asked = r#"'[{"method": "GET", "host": "acme-' || (i % 50) || '.myshopify.com", "path": "/admin/api/orders/' || i || '.json", "status": 200, "duration_us": 120000}]'"#;
    let caller = "CASE WHEN i % 1499 = 0 THEN 'admin' WHEN i % 71 = 0 THEN 'health' ELSE 'chat' END";
    let columns = [
        ("id", spread.id(filling.kind(31), "i")),
        filling.own(),
        ("connection_id", filling.connection(&connection)),
        (
            "connector",
            both(format!("CASE {connection} % 3 WHEN 0 THEN 'shopify' WHEN 1 THEN 'stripe' ELSE 'gmail' END")),
        ),
        ("version", both("'1.0.0'")),
        ("action", both("CASE WHEN i % 9 = 0 THEN 'find_products' ELSE 'find_order' END")),
        ("environment", both(format!("CASE WHEN {connection} % 5 = 4 THEN 'sandbox' ELSE 'production' END"))),
        ("caller", both(caller)),
        ("key_id", key(filling)),
        ("conversation_id", conversation(filling)),
        ("status", both(status)),
        ("reason", when(failed, both("CASE WHEN i % 33 = 0 THEN 'upstream' ELSE 'limit' END"))),
        ("message", when(failed, both("'the service answered 503 Service Unavailable to request ' || i"))),
        ("cached", both("i % 13 = 0").cast("boolean")),
        ("fuel", both("900000 + i % 1000")),
        ("http_calls", both("1")),
        ("response_bytes", both("2000 + i % 3000")),
        ("duration_us", both("180000 + i % 90000")),
        (
            "log",
            json(r#"CASE WHEN i % 20 = 0 THEN '[{"level": "info", "message": "asked for one order"}]' ELSE '[]' END"#),
        ),
        ("requests", json(asked)),
        ("created_at", spread.at("i")),
        ("bytes", both("180")),
        ("updated_at", spread.at("i")),
    ];
    insert(bare, "connector_logs", filling.size.calls, &columns).await
}

async fn chats(filling: &Filling, bare: &mut Bare) -> Result<()> {
    let count = filling.size.conversations * ENTRIES;
    let spread = filling.spread(90, count);
    let meter = "CASE i % 3 WHEN 0 THEN 'messages' WHEN 1 THEN 'model_input_tokens' ELSE 'model_output_tokens' END";
    let columns = [
        ("id", spread.id(filling.kind(34), "i")),
        filling.own(),
        ("kind", both("'chat'")),
        ("meter", both(meter)),
        ("quantity", both("CASE i % 3 WHEN 0 THEN 1 WHEN 1 THEN 700 ELSE 90 END")),
        ("period_start", spread.month("i")),
        ("key_id", filling.key(&format!("(i / {ENTRIES} % 3)"))),
        ("conversation_id", filling.conversation(&format!("(i / {ENTRIES})"))),
        ("created_at", spread.at("i")),
        ("updated_at", spread.at("i")),
    ];
    insert(bare, "billing_events", count, &columns).await
}

async fn billed_calls(filling: &Filling, bare: &mut Bare, kind: u32, meter: &str, quantity: &str) -> Result<()> {
    let spread = filling.spread(LOG_DAYS, filling.size.calls);
    let connection = connection(filling);
    let columns = [
        ("id", spread.id(filling.kind(kind), "i")),
        filling.own(),
        ("kind", both("'connector_call'")),
        ("meter", both(format!("'{meter}'"))),
        ("quantity", both(quantity)),
        ("period_start", spread.month("i")),
        ("subject_id", spread.id(filling.kind(31), "i")),
        ("key_id", key(filling)),
        ("connection_id", filling.connection(&connection)),
        ("conversation_id", conversation(filling)),
        ("created_at", spread.at("i")),
        ("updated_at", spread.at("i")),
    ];
    insert_where(bare, "billing_events", filling.size.calls, &columns, &format!("{connection} % 5 <> 4")).await
}

/// What the store counts as it writes the journal. Embeddings were counted by the host.
async fn sums(filling: &Filling, bare: &mut Bare) -> Result<()> {
    let Sql([own, own_postgres]) = fixed(filling.organization.0);
    let Sql([now, now_postgres]) = at(filling.now);
    bare.run(
        &format!(
            "INSERT INTO usage (id, organization_id, period_start, meter, environment, used, created_at, updated_at)
             SELECT lower(hex(randomblob(4))) || '-0000-4000-8000-' || lower(hex(randomblob(6))), organization_id,
                 period_start, meter, 'production', SUM(quantity), {now}, {now}
             FROM billing_events WHERE organization_id = {own} GROUP BY organization_id, period_start, meter
             ON CONFLICT DO NOTHING"
        ),
        &format!(
            "INSERT INTO usage (id, organization_id, period_start, meter, environment, used, created_at, updated_at)
             SELECT gen_random_uuid(), organization_id, period_start, meter, 'production', SUM(quantity)::bigint,
                 {now_postgres}, {now_postgres}
             FROM billing_events WHERE organization_id = {own_postgres} GROUP BY organization_id, period_start, meter
             ON CONFLICT DO NOTHING"
        ),
    )
    .await
    .context("counting the usage")?;
    for (dimension, part, those) in [
        ("key", "key_id", "key_id IS NOT NULL"),
        ("connection", "connection_id", "connection_id IS NOT NULL"),
        ("outside", "'00000000-0000-0000-0000-000000000000'", "conversation_id IS NULL"),
    ] {
        let columns = "INSERT INTO usage_days (organization_id, dimension, day, part, meter, quantity)";
        bare.run(
            &format!(
                "{columns} SELECT organization_id, '{dimension}', substr(created_at, 1, 10) || 'T00:00:00.000000Z', {part},
                     meter, SUM(quantity) FROM billing_events WHERE organization_id = {own} AND {those} GROUP BY 1, 3, 4, 5
                 ON CONFLICT DO NOTHING"
            ),
            &format!(
                "{columns} SELECT organization_id, '{dimension}', date_trunc('day', created_at, 'UTC'), {part}::uuid,
                     meter, SUM(quantity)::bigint FROM billing_events WHERE organization_id = {own_postgres} AND {those}
                 GROUP BY 1, 3, 4, 5 ON CONFLICT DO NOTHING"
            ),
        )
        .await
        .with_context(|| format!("summing the days by {dimension}"))?;
    }
    Ok(())
}
