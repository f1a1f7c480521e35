//! Visitors, conversations in all states with their messages, and tickets with comments.

use anyhow::Result;
use uuid::Uuid;

use super::{
    fill::Filling,
    sql::{Sql, both, insert, json, tags, when},
};
use crate::grow::{Bare, passages};

/// Conversations of one visitor.
const OF_A_VISITOR: u64 = 3;
const MESSAGES: u64 = 4;
/// One ticket for so many conversations.
const TICKET_EVERY: u64 = 5;

pub async fn insert_inbox(filling: &Filling, bare: &mut Bare) -> Result<()> {
    visitors(filling, bare).await?;
    conversations(filling, bare).await?;
    messages(filling, bare).await?;
    tickets(filling, bare).await
}

fn visitor(filling: &Filling, number: &str) -> Sql {
    let visitors = filling.size.conversations.div_ceil(OF_A_VISITOR);
    filling.spread(90, visitors).id(filling.kind(21), number)
}

async fn visitors(filling: &Filling, bare: &mut Bare) -> Result<()> {
    let count = filling.size.conversations.div_ceil(OF_A_VISITOR);
    let at = filling.spread(90, count).at("i");
    let columns = [
        ("id", visitor(filling, "i")),
        filling.own(),
        ("external_id", both("'visitor-' || i")),
        ("created_at", at.clone()),
        ("last_seen_at", at.clone()),
        ("updated_at", at),
    ];
    insert(bare, "visitors", count, &columns).await
}

async fn conversations(filling: &Filling, bare: &mut Bare) -> Result<()> {
    let count = filling.size.conversations;
    let at = filling.spread(90, count).at("i");
    let state = "CASE i % 50 WHEN 0 THEN 'waiting' WHEN 1 THEN 'agent' WHEN 2 THEN 'closed' ELSE 'ai' END";
    let columns = [
        ("id", filling.conversation("i")),
        filling.own(),
        ("key_id", filling.key("i % 3")),
        ("visitor_id", visitor(filling, &format!("i / {OF_A_VISITOR}"))),
        ("next_position", both(MESSAGES.to_string())),
        ("state", both(state)),
        ("assignee_id", when("i % 50 IN (1, 2)", filling.person(&format!("i % {}", filling.size.members)))),
        ("handed_over_by", when("i % 50 IN (0, 1, 2)", both("'visitor'"))),
        ("handed_over_at", when("i % 50 IN (0, 1, 2)", at.clone())),
        ("summary", when("i % 50 IN (0, 1, 2)", both("'The visitor asks where an order is.'"))),
        ("tags", tags("CASE WHEN i % 9973 = 7 THEN 'rare' WHEN i % 10 = 0 THEN 'vip' END")),
        ("created_at", at.clone()),
        ("updated_at", at),
    ];
    insert(bare, "conversations", count, &columns).await
}

async fn messages(filling: &Filling, bare: &mut Bare) -> Result<()> {
    let count = filling.size.conversations * MESSAGES;
    let spread = filling.spread(90, count);
    let source = Uuid::from_u128(passages::FIRST_SOURCE);
    let text = "CASE WHEN i % 2 = 0 THEN 'Where is my order number ' || i || '? It should have been here days ago.' \
                ELSE 'Your order ' || i || ' has left our warehouse [1]. You can follow it with the link in the mail that \
                we sent when it left. It takes three working days in most countries, and a day more on islands. If it is \
                not there after a week, answer here, and a person will look for it.' END";
    let cited = format!(
        r#"CASE WHEN i % 200 = 1 THEN '[{{"n": 1, "title": "Chapter 0", "url": null, "source_id": "{source}", "snippet": "Orders are sent on the day."}}]' ELSE '[]' END"#
    );
    let columns = [
        ("id", spread.id(filling.kind(22), "i")),
        filling.own(),
        ("conversation_id", filling.conversation(&format!("i / {MESSAGES}"))),
        ("position", both(format!("i % {MESSAGES}"))),
        ("role", both("CASE WHEN i % 2 = 0 THEN 'user' ELSE 'assistant' END")),
        ("content", both(text)),
        ("status", both("CASE WHEN i % 101 = 1 THEN 'failed' ELSE 'complete' END")),
        ("citations", json(&cited)),
        ("steps", json("'[]'")),
        ("input_tokens", when("i % 2 = 1", both("700"))),
        ("output_tokens", when("i % 2 = 1", both("90"))),
        ("created_at", spread.at("i")),
        ("updated_at", spread.at("i")),
    ];
    insert(bare, "messages", count, &columns).await
}

async fn tickets(filling: &Filling, bare: &mut Bare) -> Result<()> {
    let count = filling.size.conversations / TICKET_EVERY;
    let spread = filling.spread(90, count);
    let ticket = spread.id(filling.kind(23), "i");
    let status = "CASE WHEN i % 20 = 0 THEN 'open' WHEN i % 20 = 1 THEN 'pending' WHEN i % 2 = 0 THEN 'resolved' ELSE 'closed' END";
    let columns = [
        ("id", ticket),
        filling.own(),
        ("conversation_id", filling.conversation(&format!("i * {TICKET_EVERY}"))),
        ("subject", both("'Refund of order ' || i")),
        ("body", both("'The customer asks for a refund of order ' || i || ', which has not arrived.'")),
        ("status", both(status)),
        ("priority", both("CASE WHEN i % 300 = 0 THEN 'urgent' WHEN i % 7 = 0 THEN 'high' ELSE 'normal' END")),
        ("assignee_id", when("i % 3 = 0", filling.person(&format!("i % {}", filling.size.members)))),
        ("requester", both("'customer-' || i || '@example.com'")),
        ("due_at", when("i % 5 = 0", spread.at("i"))),
        ("tags", tags("CASE WHEN i % 10 = 0 THEN 'refund' END")),
        ("created_at", spread.at("i")),
        ("updated_at", spread.at("i")),
    ];
    insert(bare, "tickets", count, &columns).await?;
    let comments = filling.spread(90, count * 2);
    let columns = [
        ("id", comments.id(filling.kind(24), "i")),
        filling.own(),
        ("ticket_id", spread.id(filling.kind(23), "i / 2")),
        ("author_id", filling.person(&format!("i % {}", filling.size.members))),
        ("body", both("'The parcel is at the customs office, as the carrier says.'")),
        ("created_at", comments.at("i")),
        ("updated_at", comments.at("i")),
    ];
    insert(bare, "ticket_comments", count * 2, &columns).await
}
