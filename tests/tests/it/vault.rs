//! Master keys replaced while everything goes on, on both databases, and the old one taken away for good.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::future::{join_all, try_join_all};
use reqwest::{Client, StatusCode};
use resly_core::{
    id::{ConnectionId, KeyId, OrganizationId},
    meter::Limits,
    principal::{KeyKind, Scope},
    time::{Clock, Random, SystemClock},
};
use resly_service::{key::Pepper, random::OsRandom};
use resly_store::{NewKey, NewOrganization, Store, StoreConfig};
use resly_tests::{
    app::client,
    host::{Running, StartError, make_organization, mint, share_compiled},
    postgres,
    service::ScriptedService,
};
use resly_vault::MasterKeys;
use serde_json::{Value, json};
use uuid::Uuid;

/// How many use the host while it rotates.
const CALLERS: usize = 50;
/// Organizations beside the callers', so that a rotation takes several pages.
const OTHERS: usize = 450;

/// A database, the folder beside it, and the service that connectors call.
struct Place {
    data: tempfile::TempDir,
    database: Option<String>,
    service: ScriptedService,
    allow: String,
}

impl Place {
    async fn new(database: Option<String>) -> Self {
        let data = tempfile::tempdir().unwrap();
        share_compiled(data.path());
        let service = ScriptedService::start().await.unwrap();
        service.answers("/account", 200, json!({"plan": "Pro"}));
        let allow = service.address.to_string();
        Self { data, database, service, allow }
    }

    async fn start(&self, master: &str) -> Running {
        self.try_start(master).await.map_err(|error| error.to_string()).unwrap()
    }

    async fn try_start(&self, master: &str) -> Result<Running, StartError> {
        let mut settings = vec![("RESLY_MASTER_KEY", master), ("RESLY_EGRESS_ALLOW", self.allow.as_str())];
        settings.extend(self.database.as_deref().map(|url| ("RESLY_DATABASE_URL", url)));
        Running::start(self.data.path(), &settings).await
    }

    fn store_config(&self) -> StoreConfig {
        let data_dir = self.data.path().to_owned();
        StoreConfig { database_url: self.database.clone(), direct_url: None, data_dir, read_connections: 2 }
    }
}

/// A key as an operator makes it: PostgreSQL means production, which takes no other.
pub fn master(id: &str) -> String {
    let mut bytes = [0; 32];
    OsRandom.fill(&mut bytes);
    format!("{id}:{}", STANDARD.encode(bytes))
}

/// An organization with an API key and a connection whose credential is its own.
#[derive(Clone)]
struct Customer {
    key: String,
    connection: String,
    credential: String,
}

impl Customer {
    async fn sign_up(host: &Running, client: &Client, service: &ScriptedService) -> Self {
        let organization = make_organization(&host.app, "customer").await;
        let key = mint(&host.app, organization, &[Scope::Admin, Scope::Search]).await;
        let address = service.address;
        let definition = json!({
            "id": "crm", "name": "CRM", "version": "1.0.0", "hosts": [address.to_string()],
            "auth": {"type": "api_key", "in": "header", "name": "X-Api-Key"},
            "actions": [{"id": "get_account", "title": "Account", "description": "Finds the account.",
                "input": {"type": "object"},
                "request": {"method": "GET", "url": format!("http://{address}/account")}}],
        });
        let credential = format!("credential-of-{organization}");
        let post = async |path: &str, body: &Value| -> Value {
            let sent = client.post(format!("{}{path}", host.base)).bearer_auth(&key).json(body).send().await.unwrap();
            let (status, text) = (sent.status(), sent.text().await.unwrap());
            assert!(status.is_success(), "{path}: {status}: {text}");
            serde_json::from_str(&text).unwrap()
        };
        post("/api/admin/connectors", &definition).await;
        let connection = json!({"connector": "crm", "name": "CRM", "environment": "production", "settings": {},
            "credentials": {"api_key": credential}});
        let made = post("/api/admin/connections", &connection).await;
        Self { connection: made["id"].as_str().unwrap().to_owned(), credential, key }
    }

    /// One call with the stored credential: the API key must be known and the credential open.
    async fn call(&self, host: &Running, client: &Client) -> Result<(), String> {
        let url = format!("{}/api/admin/connections/{}/actions/get_account", host.base, self.connection);
        let sent = client.post(url).bearer_auth(&self.key).json(&json!({})).send().await.map_err(|e| e.to_string())?;
        let (status, text) = (sent.status(), sent.text().await.map_err(|e| e.to_string())?);
        let plan = serde_json::from_str::<Value>(&text).map(|body| body["output"]["plan"] == "Pro");
        if status == StatusCode::OK && plan.unwrap_or(false) { Ok(()) } else { Err(format!("{status}: {text}")) }
    }

    /// Whether the service has seen this customer's credential, and so many times.
    fn seen(&self, service: &ScriptedService) -> usize {
        let with = |request: &resly_tests::service::Received| request.header("x-api-key") == Some(&self.credential);
        service.received().iter().filter(|request| with(request)).count()
    }
}

async fn operator(host: &Running) -> String {
    let organization = make_organization(&host.app, "operators").await;
    mint(&host.app, organization, &[Scope::Operator]).await
}

async fn vault(host: &Running, client: &Client, key: &str, rotate: bool) -> Value {
    let base = format!("{}/api/admin/vault", host.base);
    let request = if rotate { client.post(format!("{base}/rotate")) } else { client.get(base) };
    let response = request.bearer_auth(key).send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, StatusCode::OK, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Rotates under load: `hosts` of them with both keys, then one with the new key alone.
async fn rotate_under_load(place: Place, hosts: usize) {
    let client = client();
    let (old, new) = (master("old"), master("new"));
    let first = place.start(&old).await;
    let mut customers = Vec::new();
    for _ in 0..CALLERS {
        customers.push(Customer::sign_up(&first, &client, &place.service).await);
    }
    let operator = operator(&first).await;
    let others = (0..OTHERS).map(async |_| {
        let organization = make_organization(&first.app, "other").await;
        let id = ConnectionId(Uuid::nil());
        first.app.seal(organization, id, [("token".to_owned(), "t".to_owned())].into()).await.map(drop)
    });
    try_join_all(others).await.unwrap();
    first.stop().await;

    // Started again, so that no key of an organization is in memory when it is moved.
    let both = format!("{new},{old}");
    let mut running = Vec::new();
    for _ in 0..hosts {
        running.push(Arc::new(place.start(&both).await));
    }
    let before = vault(&running[0], &client, &operator, false).await;
    // What keys are hashed with, and what hosts of one database sign their requests to each other with.
    let host_secrets = 1 + u64::from(hosts > 1);
    let held = (CALLERS + OTHERS) as u64 + host_secrets;
    assert_eq!((&before["in_use"], &before["done"]), (&json!({"old": held}), &json!(false)), "{before}");

    let over = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let callers = customers.iter().cloned().enumerate().map(|(n, customer)| {
        let (host, client, over, calls) =
            (Arc::clone(&running[n % hosts]), client.clone(), Arc::clone(&over), Arc::clone(&calls));
        tokio::spawn(async move {
            loop {
                let last = over.load(Ordering::Acquire);
                customer.call(&host, &client).await?;
                calls.fetch_add(1, Ordering::Relaxed);
                if last {
                    return Ok::<_, String>(());
                }
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let newcomers = async {
        let mut newcomers = Vec::new();
        for n in 0..5 {
            newcomers.push(Customer::sign_up(&running[n % hosts], &client, &place.service).await);
        }
        newcomers
    };
    // From every host at once: whoever moves a key, all is moved once.
    let rotations = join_all(running.iter().map(|host| vault(host, &client, &operator, true)));
    let (newcomers, rotations) = tokio::join!(newcomers, rotations);
    let after = vault(&running[0], &client, &operator, false).await;
    over.store(true, Ordering::Release);
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert!(calls.load(Ordering::Relaxed) >= CALLERS * 2 - 1);
    let moved: u64 = rotations.iter().map(|rotation| rotation["moved"].as_u64().unwrap()).sum();
    assert_eq!(moved, held, "{rotations:?}");
    assert_eq!((&after["done"], &after["removable"]), (&json!(true), &json!(["old"])), "{after}");
    assert_eq!(after["in_use"], json!({"new": held + 5}));
    for host in running {
        Arc::into_inner(host).unwrap().stop().await;
    }

    // The old key is gone for good.
    let alone = place.start(&new).await;
    customers.extend(newcomers);
    for customer in &customers {
        let seen = customer.seen(&place.service);
        customer.call(&alone, &client).await.unwrap();
        assert_eq!(customer.seen(&place.service), seen + 1, "with its own credential");
    }
    let status = vault(&alone, &client, &operator, false).await;
    assert_eq!((&status["done"], &status["removable"]), (&json!(true), &json!([])), "{status}");
    alone.stop().await;

    let refused = place.try_start(&old).await.err().expect("the old key opens nothing any more").to_string();
    assert!(refused.contains("`new`"), "{refused}");
    let other = place.try_start(&master("new")).await.err().expect("nor does another of the same name").to_string();
    assert!(other.contains("does not open"), "{other}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn master_keys_rotate_under_load_on_sqlite() {
    rotate_under_load(Place::new(None).await, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn master_keys_rotate_under_load_across_hosts_on_postgres() {
    rotate_under_load(Place::new(Some(postgres::database().await)).await, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_without_the_new_key_says_so_and_spoils_nothing() {
    let client = client();
    let place = Place::new(Some(postgres::database().await)).await;
    let (old, new) = (master("old"), master("new"));
    let late = place.start(&old).await;
    let known = Customer::sign_up(&late, &client, &place.service).await;
    known.call(&late, &client).await.unwrap();

    let ahead = place.start(&format!("{new},{old}")).await;
    let operator = operator(&ahead).await;
    let added = Customer::sign_up(&ahead, &client, &place.service).await;
    assert_eq!(vault(&ahead, &client, &operator, true).await["done"], true);

    // It goes on with what it has in memory; what it can't open it names, and the connection keeps its state.
    known.call(&late, &client).await.unwrap();
    let refused = added.call(&late, &client).await.unwrap_err();
    assert!(refused.contains("`new`") && refused.starts_with("502"), "{refused}");
    added.call(&ahead, &client).await.unwrap();
    let status = vault(&late, &client, &operator, false).await;
    assert_eq!((&status["missing"], &status["done"]), (&json!(["new"]), &json!(false)), "{status}");
    late.stop().await;
    ahead.stop().await;
}

#[tokio::test]
async fn only_operators_rotate() {
    let place = Place::new(None).await;
    let host = place.start(&master("k1")).await;
    let organization = make_organization(&host.app, "a").await;
    let admin = mint(&host.app, organization, &[Scope::Admin, Scope::Chat, Scope::Search]).await;
    let client = client();
    for request in [
        client.get(format!("{}/api/admin/vault", host.base)),
        client.post(format!("{}/api/admin/vault/rotate", host.base)),
    ] {
        assert_eq!(request.bearer_auth(&admin).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    }
}

/// API keys of a database from before they had a secret of their own: they were hashed under master keys.
#[tokio::test]
async fn keys_from_before_go_on_and_outlive_the_master_key_that_hashed_them() {
    let place = Place::new(None).await;
    let (old, new, newer) = (master("old"), master("new"), master("newer"));
    let store = Store::open(&place.store_config()).await.unwrap();
    let mut keys = Vec::new();
    for master in [&old, &new] {
        let now = SystemClock.now();
        let organization = OrganizationId(OsRandom.uuid(now));
        let name = format!("from before {organization}");
        store
            .create_organization(NewOrganization { id: organization, name, limits: Limits::new(), now })
            .await
            .unwrap();
        let derived = MasterKeys::parse(master).unwrap().derive_newest("resly api keys v1");
        let secret = Pepper::new(&derived).unwrap().mint(KeyId(OsRandom.uuid(now)), KeyKind::Secret, &OsRandom);
        store
            .create_key(NewKey {
                id: secret.id,
                organization,
                name: "web".to_owned(),
                kind: KeyKind::Secret,
                scopes: vec![Scope::Search, Scope::Operator],
                origins: vec![],
                message_cap: None,
                visitor_message_cap: None,
                rate_limits: None,
                expires_at: None,
                secret_hash: secret.hash,
                now,
            })
            .await
            .unwrap();
        keys.push(secret.expose().to_owned());
    }
    store.close().await;

    let client = client();
    for master in [format!("{new},{old}"), format!("{newer},{new},{old}"), newer] {
        let host = place.start(&master).await;
        for key in &keys {
            let request =
                client.post(format!("{}/api/search", host.base)).bearer_auth(key).json(&json!({"query": "x"}));
            assert_eq!(request.send().await.unwrap().status(), StatusCode::OK, "a key from before");
        }
        assert_eq!(vault(&host, &client, &keys[0], true).await["done"], true);
        host.stop().await;
    }
}
