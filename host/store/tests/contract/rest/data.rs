//! The rows that the tests of REST begin with: two organizations, with rows of the same kinds.

use resly_core::id::OrganizationId;
use resly_rest::{RestError, media::Media, query::Query, registry, resolve, window};
use resly_store::{NewOrganization, RestRead, RestRows, RestStoreError, Store};
use uuid::Uuid;

use crate::backend::{Backend, at};

pub const OWN: OrganizationId = OrganizationId(Uuid::from_u128(0xa));
pub const OTHER: OrganizationId = OrganizationId(Uuid::from_u128(0xb));

/// An organization's rows. The other one's ids end alike, and begin with 1.
const ROWS: [&str; 9] = [
    "INSERT INTO visitors (id, organization_id, external_id, created_at, last_seen_at, updated_at) VALUES
     ('00000000-0000-0000-0000-0000000000e1', '00000000-0000-0000-0000-00000000000a', 'anna', '2026-10-01T08:00:00.000000Z', '2026-10-02T08:00:00.000000Z', '2026-10-02T08:00:00.000000Z'),
     ('00000000-0000-0000-0000-0000000000e2', '00000000-0000-0000-0000-00000000000a', 'Bob', '2026-10-01T09:00:00.000000Z', '2026-10-02T09:00:00.123456Z', '2026-10-02T09:00:00.123456Z'),
     ('10000000-0000-0000-0000-0000000000e1', '00000000-0000-0000-0000-00000000000b', 'anna', '2026-10-01T08:00:00.000000Z', '2026-10-02T08:00:00.000000Z', '2026-10-02T08:00:00.000000Z')",
    "INSERT INTO conversations (id, organization_id, key_id, name, visitor_id, next_position, created_at, updated_at) VALUES
     ('00000000-0000-0000-0000-0000000000c1', '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-0000000000ff', 'first', '00000000-0000-0000-0000-0000000000e1', 3, '2026-10-03T08:00:00.000000Z', '2026-10-03T08:00:00.000000Z'),
     ('00000000-0000-0000-0000-0000000000c2', '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-0000000000ff', NULL, '00000000-0000-0000-0000-0000000000e2', 2, '2026-10-03T09:00:00.000000Z', '2026-10-03T09:00:00.000000Z'),
     ('00000000-0000-0000-0000-0000000000c3', '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-0000000000ff', NULL, NULL, 1, '2026-10-03T10:00:00.000000Z', '2026-10-03T10:00:00.000000Z'),
     ('10000000-0000-0000-0000-0000000000c1', '00000000-0000-0000-0000-00000000000b', '10000000-0000-0000-0000-0000000000ff', 'first', '10000000-0000-0000-0000-0000000000e1', 1, '2026-10-03T08:00:00.000000Z', '2026-10-03T08:00:00.000000Z')",
    "INSERT INTO messages (id, organization_id, conversation_id, position, role, content, status, citations, steps, created_at, input_tokens) VALUES
     ('00000000-0000-0000-0000-0000000000a1', '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-0000000000c1', 0, 'user', 'Where is my order?', 'complete', '[]', '[]', '2026-10-03T08:00:00.000001Z', NULL),
     ('00000000-0000-0000-0000-0000000000a2', '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-0000000000c1', 1, 'assistant', 'Your ORDERS ship tomorrow.', 'complete', '[{\"title\":\"Shipping\",\"n\":1}]', '[]', '2026-10-03T08:00:01.500000Z', 7),
     ('00000000-0000-0000-0000-0000000000a3', '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-0000000000c2', 0, 'user', 'Refunding\nmy bücher', 'complete', '[]', '[]', '2026-10-03T09:00:00.000000Z', 30),
     ('10000000-0000-0000-0000-0000000000a1', '00000000-0000-0000-0000-00000000000b', '10000000-0000-0000-0000-0000000000c1', 0, 'user', 'Secret order of another', 'complete', '[]', '[]', '2026-10-03T08:00:00.000000Z', 1)",
    "INSERT INTO tickets (id, organization_id, conversation_id, subject, body, status, created_at, updated_at) VALUES
     ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-0000000000c1', 'Apple', 'a_b 100%', 'open', '2026-10-04T08:00:00.000000Z', '2026-10-04T08:00:00.000000Z'),
     ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-00000000000a', NULL, 'apple', 'aXb', 'closed', '2026-10-04T09:00:00.000000Z', '2026-10-04T09:00:00.000000Z'),
     ('00000000-0000-0000-0000-000000000003', '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-0000000000c2', 'Ärger, \"groß\"', '[x]*', 'open', '2026-10-04T10:00:00.250000Z', '2026-10-04T10:00:00.250000Z'),
     ('00000000-0000-0000-0000-000000000004', '00000000-0000-0000-0000-00000000000a', NULL, 'zebra', '', 'open', '2026-10-04T11:00:00.000000Z', '2026-10-04T11:00:00.000000Z'),
     ('10000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-00000000000b', '10000000-0000-0000-0000-0000000000c1', 'Apple', 'secret', 'open', '2026-10-04T08:00:00.000000Z', '2026-10-04T08:00:00.000000Z')",
    "INSERT INTO usage (id, organization_id, period_start, meter, environment, used, plan_limit, created_at, updated_at) VALUES
     ('00000000-0000-0000-0000-0000000000f1', '00000000-0000-0000-0000-00000000000a', '2026-09-01T00:00:00.000000Z', 'messages', 'production', 10, NULL, '2026-09-01T00:00:00.000000Z', '2026-09-01T00:00:00.000000Z'),
     ('00000000-0000-0000-0000-0000000000f2', '00000000-0000-0000-0000-00000000000a', '2026-10-01T00:00:00.000000Z', 'messages', 'production', 5, 100, '2026-10-01T00:00:00.000000Z', '2026-10-01T00:00:00.000000Z'),
     ('00000000-0000-0000-0000-0000000000f3', '00000000-0000-0000-0000-00000000000a', '2026-10-01T00:00:00.000000Z', 'fuel', 'production', 9007199254740993, NULL, '2026-10-01T00:00:00.000000Z', '2026-10-01T00:00:00.000000Z'),
     ('10000000-0000-0000-0000-0000000000f1', '00000000-0000-0000-0000-00000000000b', '2026-10-01T00:00:00.000000Z', 'messages', 'production', 999, NULL, '2026-10-01T00:00:00.000000Z', '2026-10-01T00:00:00.000000Z')",
    "INSERT INTO connections (id, organization_id, connector, version, name, environment, status, settings, policy, mappings, revision, created_at) VALUES
     ('00000000-0000-0000-0000-0000000000d1', '00000000-0000-0000-0000-00000000000a', 'crm', '1.0.0', 'CRM', 'production', 'enabled', '{\"region\":\"eu\",\"n\":1.50,\"on\":true,\"no\":null,\"tags\":[\"a\",{\"b\":2}]}', '{}', '{}', 1, '2026-10-01T00:00:00.000000Z'),
     ('00000000-0000-0000-0000-0000000000d2', '00000000-0000-0000-0000-00000000000a', 'shop', '1.0.0', 'Shop', 'sandbox', 'installed', '{\"region\":\"us\"}', '{}', '{}', 1, '2026-10-01T00:00:00.000000Z'),
     ('10000000-0000-0000-0000-0000000000d1', '00000000-0000-0000-0000-00000000000b', 'crm', '1.0.0', 'Secret', 'production', 'enabled', '{\"region\":\"eu\"}', '{}', '{}', 1, '2026-10-01T00:00:00.000000Z')",
    "INSERT INTO workflows (id, organization_id, name, triggers, connection_id, enabled, created_at) VALUES
     ('00000000-0000-0000-0000-0000000000b1', '00000000-0000-0000-0000-00000000000a', 'Look up', '[\"order\"]', '00000000-0000-0000-0000-0000000000d1', TRUE, '2026-10-01T00:00:00.000000Z'),
     ('00000000-0000-0000-0000-0000000000b2', '00000000-0000-0000-0000-00000000000a', 'Off', '[]', NULL, FALSE, '2026-10-01T00:00:00.000000Z'),
     ('10000000-0000-0000-0000-0000000000b1', '00000000-0000-0000-0000-00000000000b', 'Secret', '[]', '10000000-0000-0000-0000-0000000000d1', TRUE, '2026-10-01T00:00:00.000000Z')",
    "INSERT INTO billing_events (id, organization_id, kind, meter, quantity, period_start, created_at) VALUES
     ('00000000-0000-0000-0000-0000000000f1', '00000000-0000-0000-0000-00000000000a', 'chat', 'messages', 1, '2026-10-01T00:00:00.000000Z', '2026-10-02T00:00:00.000000Z'),
     ('10000000-0000-0000-0000-0000000000f1', '00000000-0000-0000-0000-00000000000b', 'chat', 'messages', 7, '2026-10-01T00:00:00.000000Z', '2026-10-02T00:00:00.000000Z')",
    // A row of the other organization that refers to the first one's: no request may follow it, whatever put it there.
    "INSERT INTO tickets (id, organization_id, conversation_id, subject, body, status, created_at, updated_at) VALUES
     ('10000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-00000000000b', '00000000-0000-0000-0000-0000000000c1', 'Foreign', 'secret', 'open', '2026-10-04T08:00:00.000000Z', '2026-10-04T08:00:00.000000Z')",
];

pub async fn filled(backend: &Backend) -> Store {
    let store = backend.open().await;
    for id in [OWN, OTHER] {
        let new = NewOrganization { id, name: format!("org {id}"), limits: [].into(), now: at(0) };
        store.create_organization(new).await.unwrap();
    }
    for rows in ROWS {
        backend.execute(rows).await;
    }
    store
}

/// Reads `table?query` for an organization.
pub async fn rows(store: &Store, organization: OrganizationId, request: &str) -> Result<RestRows, RestError> {
    let (table, query) = request.split_once('?').unwrap_or((request, ""));
    let mut node = resolve::plan(registry::table(table).unwrap(), &Query::parse(query)?)?;
    window::narrow(&mut node, None)?;
    match store.read_rest(RestRead { organization, node, count: true, rows: true }).await {
        Ok(rows) => Ok(rows),
        Err(RestStoreError::Refused(error)) => Err(error),
        Err(RestStoreError::Store(error)) => panic!("{request}: {error}"),
    }
}

/// What a request of the first organization answers, as JSON.
pub async fn body(store: &Store, request: &str) -> String {
    match rows(store, OWN, request).await {
        Ok(rows) => rows.body(Media::Array),
        Err(error) => format!("{} {}", error.code, error.message),
    }
}

pub async fn expect(store: &Store, answers: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (request, expected) in answers {
        let answered = body(store, request).await;
        if answered != *expected {
            wrong.push(format!("{request}\n  expected {expected}\n  answered {answered}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), answers.len(), wrong.join("\n"));
}
