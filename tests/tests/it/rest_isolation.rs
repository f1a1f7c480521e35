//! Two organizations on one host: for each table and each verb of `/rest/v1`, nothing of one reaches the other.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use resly_core::principal::Scope;
use resly_service::analytics;
use resly_tests::{
    app::TestApp,
    crm::definition,
    host::{make_organization, mint},
    postgres,
    service::ScriptedService,
};
use serde_json::{Value, json};

const TABLES: [&str; 12] = [
    "billing_events",
    "connections",
    "connector_logs",
    "conversation_outcomes",
    "conversations",
    "knowledge_sources",
    "messages",
    "ticket_comments",
    "tickets",
    "usage",
    "visitors",
    "workflows",
];

/// Each table with what can be embedded in it.
const RELATIONS: [(&str, &str); 15] = [
    ("connections", "connector_logs"),
    ("connections", "workflows"),
    ("connector_logs", "connections"),
    ("connector_logs", "conversations"),
    ("conversation_outcomes", "conversations"),
    ("conversations", "connector_logs"),
    ("conversations", "conversation_outcomes"),
    ("conversations", "messages"),
    ("conversations", "tickets"),
    ("conversations", "visitors"),
    ("messages", "conversations"),
    ("ticket_comments", "tickets"),
    ("tickets", "conversations"),
    ("tickets", "ticket_comments"),
    ("visitors", "conversations"),
];

struct Member<'a> {
    app: &'a TestApp,
    key: String,
}

impl Member<'_> {
    async fn send(&self, method: Method, path: &str, prefer: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let request =
            self.app.client.request(method, self.app.url(path)).bearer_auth(&self.key).header("prefer", prefer);
        let request = body.into_iter().fold(request, |request, body| request.json(body));
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn made(&self, path: &str, body: Value) -> Value {
        let (status, made) = self.send(Method::POST, path, "return=representation", Some(&body)).await;
        assert!(status.is_success(), "{path}: {status} {made}");
        made
    }

    async fn read(&self, request: &str) -> Value {
        let (status, rows) = self.send(Method::GET, &format!("/rest/v1/{request}"), "count=exact", None).await;
        assert!(status.is_success(), "{request}: {status} {rows}");
        rows
    }

    /// Rows in each table.
    async fn fill(&self, service: &ScriptedService) {
        self.made("/api/chat?format=json", json!({"messages": [{"role": "user", "content": "Hi"}], "visitorId": "v"}))
            .await;
        self.made("/api/admin/connectors", definition(service)).await;
        let installed = json!({"connector": "crm", "name": "CRM", "environment": "sandbox", "settings": {}});
        let connection = self.made("/api/admin/connections", installed).await["id"].as_str().unwrap().to_owned();
        self.made(&format!("/api/admin/connections/{connection}/actions/get_account"), json!({"id": "1"})).await;
        let workflow = json!({"name": "w", "triggers": ["zzz"], "connection": connection, "action": "get_account"});
        self.made("/api/admin/workflows", workflow).await;
        self.made("/rest/v1/knowledge_sources", json!({"title": "t", "text": "Words."})).await;
        let conversation = self.read("conversations").await[0]["id"].clone();
        self.made("/rest/v1/tickets", json!({"subject": "s", "body": "b", "conversation_id": conversation})).await;
        let ticket = self.read("tickets").await[0]["id"].clone();
        self.made("/rest/v1/ticket_comments", json!({"ticket_id": ticket, "body": "c"})).await;
    }

    async fn snapshot(&self) -> BTreeMap<&'static str, Value> {
        let mut tables = BTreeMap::new();
        for table in TABLES {
            tables.insert(table, self.read(&format!("{table}?order=id")).await);
        }
        tables
    }
}

fn ids(rows: &Value) -> Vec<String> {
    rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

async fn nothing_reaches_the_other(app: TestApp, service: &ScriptedService) {
    let all = [Scope::Chat, Scope::Search, Scope::Admin, Scope::DataWrite];
    let own = Member { app: &app, key: mint(app.host(), app.organization(), &all).await };
    let elsewhere = make_organization(app.host(), "elsewhere").await;
    let other = Member { app: &app, key: mint(app.host(), elsewhere, &all).await };
    own.fill(service).await;
    other.fill(service).await;
    assert_eq!(analytics::update(app.host()).await.unwrap(), 2, "each has a conversation");
    let before = other.snapshot().await;
    let foreign: Vec<String> = before.values().flat_map(ids).collect();
    assert!(before.values().all(|rows| !rows.as_array().unwrap().is_empty()), "{before:#?}");
    let shows_nothing = |request: &str, answer: &Value| {
        let text = answer.to_string();
        assert!(!text.contains(&elsewhere.to_string()), "{request}: {text}");
        assert!(!foreign.iter().any(|id| text.contains(id.as_str())), "{request}: {text}");
    };

    for table in TABLES {
        let theirs = ids(&before[table]);
        let (one, list) = (&theirs[0], theirs.join(","));
        for request in [
            format!("{table}?select=*"),
            format!("{table}?id=eq.{one}"),
            format!("{table}?id=in.({list})"),
            format!("{table}?organization_id=eq.{elsewhere}"),
            format!("{table}?or=(id.eq.{one},organization_id.eq.{elsewhere})"),
            format!("{table}?not.and=(id.neq.{one})"),
            format!("{table}?id=not.is.null&order=organization_id.desc&limit=1000"),
        ] {
            let rows = own.read(&request).await;
            shows_nothing(&request, &rows);
            let finds_own = request.contains("select=*") || request.contains("id=not.is.null");
            assert_eq!(rows.as_array().unwrap().is_empty(), !finds_own, "{request}");
        }
        let counted = own.read(&format!("{table}?select=count()")).await[0]["count"].as_u64().unwrap();
        assert_eq!(counted as usize, own.read(table).await.as_array().unwrap().len(), "{table}");
        assert_eq!(
            own.read(&format!("{table}?select=count()&organization_id=eq.{elsewhere}")).await,
            json!([{"count": 0}])
        );
        let last = own.read(&format!("{table}?select=created_at.max()&id=in.({list})")).await;
        assert_eq!(last, json!([{"max": null}]), "{table}");
    }
    for (table, relation) in RELATIONS {
        let theirs = &ids(&before[relation])[0];
        for request in [
            format!("{table}?select=*,{relation}(*)"),
            format!("{table}?select=id,{relation}!inner(*)&{relation}.id=eq.{theirs}"),
            format!("{table}?select=id,{relation}()&{relation}.organization_id=eq.{elsewhere}&{relation}=not.is.null"),
        ] {
            let rows = own.read(&request).await;
            shows_nothing(&request, &rows);
            assert_eq!(rows.as_array().unwrap().is_empty(), !request.contains("select=*"), "{request}");
        }
    }

    for table in TABLES {
        let theirs = &ids(&before[table])[0];
        let row = match table {
            "visitors" => json!({"id": theirs, "external_id": "taken"}),
            "tickets" => json!({"id": theirs, "subject": "taken", "body": "taken"}),
            "ticket_comments" => json!({"id": theirs, "ticket_id": ids(&before["tickets"])[0], "body": "taken"}),
            _ => json!({"id": theirs, "title": "taken"}),
        };
        let set = match table {
            "visitors" => json!({"external_id": "taken"}),
            "tickets" => json!({"subject": "taken"}),
            "knowledge_sources" => json!({"title": "taken"}),
            "conversations" => json!({"tags": ["taken"]}),
            _ => json!({"id": theirs}),
        };
        for prefer in ["", "resolution=merge-duplicates", "resolution=ignore-duplicates"] {
            let prefer = format!("return=representation,{prefer}");
            let (status, answer) = own.send(Method::POST, &format!("/rest/v1/{table}"), &prefer, Some(&row)).await;
            shows_nothing(table, if answer.is_array() { &answer } else { &Value::Null });
            assert!(!status.is_success() || answer == json!([]), "{table} {prefer}: {status} {answer}");
        }
        for condition in
            [format!("id=eq.{theirs}"), format!("organization_id=eq.{elsewhere}"), format!("or=(id.eq.{theirs})")]
        {
            let path = format!("/rest/v1/{table}?{condition}");
            for (method, body) in [(Method::PATCH, Some(&set)), (Method::DELETE, None)] {
                let (status, answer) = own.send(method, &path, "return=representation", body).await;
                assert!(status == StatusCode::FORBIDDEN || answer == json!([]), "{path}: {status} {answer}");
            }
        }
    }
    let conversation = &before["conversations"][0]["id"];
    let ticket = json!({"subject": "s", "body": "b", "conversation_id": conversation});
    assert_eq!(own.send(Method::POST, "/rest/v1/tickets", "", Some(&ticket)).await.0, StatusCode::CONFLICT);
    let refer = json!({"conversation_id": conversation});
    assert_eq!(
        own.send(Method::PATCH, "/rest/v1/tickets?id=not.is.null", "", Some(&refer)).await.0,
        StatusCode::CONFLICT
    );
    assert_eq!(other.snapshot().await, before, "nothing of the other organization has changed");
}

#[tokio::test]
async fn nothing_reaches_another_organization_on_sqlite() {
    let service = ScriptedService::start().await.unwrap();
    nothing_reaches_the_other(TestApp::with_egress_to(&service).await, &service).await;
}

#[tokio::test]
async fn nothing_reaches_another_organization_on_postgres() {
    let service = ScriptedService::start().await.unwrap();
    let url = postgres::database().await;
    nothing_reaches_the_other(TestApp::on_postgres(&url, service.address).await, &service).await;
}
