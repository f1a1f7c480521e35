//! One size: the store is filled, the host is started on it, and each request is made some times.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method};
use resly_core::{
    id::OrganizationId,
    time::{Clock, SystemClock},
};
use resly_store::{Store, StoreConfig};
use resly_tests::load::{Seen, Target, open_loop};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    fill::{self, Bare, Size},
    passages,
};
use crate::{median, served::Served};

const CHATS_A_SECOND: u32 = 40;
const STRETCH: Duration = Duration::from_secs(8);
const ROUNDS: usize = 40;

/// One figure of one size.
pub struct Measured {
    pub name: &'static str,
    pub value: f64,
    pub unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Millis,
    Mebibytes,
    /// A number that tells of the fill, not of the host.
    Plain,
}

impl Unit {
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Millis => format!("{value:.2} ms"),
            Self::Mebibytes => format!("{value:.0} MiB"),
            Self::Plain => format!("{value:.0}"),
        }
    }
}

/// The figures of one size, in the same order for every size of an axis.
pub async fn measure(binary: &Path, url: Option<String>, size: Size, model: SocketAddr) -> Result<Vec<Measured>> {
    let data = tempfile::tempdir()?;
    resly_tests::host::share_compiled(data.path());
    let config = StoreConfig {
        database_url: url.clone(),
        direct_url: None,
        data_dir: data.path().to_owned(),
        read_connections: 4,
    };
    let mut found = Vec::new();
    let settings = vec![
        ("RESLY_MODEL_URL", format!("http://{model}/v1")),
        ("RESLY_MODEL", "scripted".to_owned()),
        ("RESLY_MAX_CONNECTIONS_PER_ADDRESS", "20000".to_owned()),
    ];
    let host = Served::on(binary, data.path(), url.clone(), settings.clone()).await?;
    let key = host.organization("bench").await?;
    host.stop().await?;
    let organization = first_organization(&config).await?;
    let mut bare = Bare::connect(data.path(), url.as_deref()).await?;
    let (rows, took) = fill::fill(&mut bare, organization, size).await?;
    found.push(Measured { name: "rows", value: rows as f64, unit: Unit::Plain });
    found.push(Measured { name: "rows a second, filling", value: rows as f64 / took.as_secs_f64(), unit: Unit::Plain });
    if size.passages > 0 {
        let store = Store::open(&config).await?;
        passages::add(&store, organization, size.passages).await?;
        store.close().await;
    }
    found.push(mebibytes("disk", bare.disk_bytes().await?));
    bare.close().await?;

    let started = Instant::now();
    let host = Served::on(binary, data.path(), url.clone(), settings.clone()).await?;
    host.ready().await?;
    found.push(Measured { name: "start, to /readyz", value: millis(started.elapsed()), unit: Unit::Millis });
    let asking = Asking { client: resly_tests::app::client(), base: host.base.clone(), key };
    let address: SocketAddr = host.base.trim_start_matches("http://").parse()?;
    if size.passages > 0 {
        asking.searches(&mut found).await?;
    }
    asking.preflights(&mut found).await?;
    asking.lists(&mut found).await?;
    asking.rest(&mut found).await?;
    let chat = asking.chat(address, STRETCH).await?;
    percentiles(&mut found, ["chat, p50", "chat, p99"], &chat);
    found.push(mebibytes("memory", i64::try_from(host.resident_kib()? * 1024)?));
    host.stop().await?;
    if size.passages == 0 && size.organizations == 1 {
        retention(binary, data.path(), url, settings, &asking, &mut found).await?;
    }
    Ok(found)
}

/// Chats while the host deletes what a plan of half a year keeps no longer, which it begins with when it starts.
async fn retention(
    binary: &Path,
    data: &Path,
    url: Option<String>,
    settings: Vec<(&'static str, String)>,
    asking: &Asking,
    found: &mut Vec<Measured>,
) -> Result<()> {
    let mut bare = Bare::connect(data, url.as_deref()).await?;
    let keep = "UPDATE organizations SET conversation_days = 182";
    bare.run(keep, keep).await?;
    let count = "SELECT COUNT(*) FROM conversations";
    let before = bare.number(count).await?;
    bare.close().await?;
    let host = Served::on(binary, data, url.clone(), settings).await?;
    host.ready().await?;
    let asking = Asking { client: asking.client.clone(), base: host.base.clone(), key: asking.key.clone() };
    let address = host.base.trim_start_matches("http://").parse()?;
    let chat = asking.chat(address, STRETCH).await?;
    percentiles(found, ["chat while retention deletes, p50", "the same, p99"], &chat);
    host.stop().await?;
    let mut bare = Bare::connect(data, url.as_deref()).await?;
    let chats = i64::try_from(chat.whole.len())? + i64::from(CHATS_A_SECOND);
    let gone = before + chats - bare.number(count).await?;
    found.push(Measured { name: "conversations deleted meanwhile", value: gone as f64, unit: Unit::Plain });
    bare.close().await
}

async fn first_organization(config: &StoreConfig) -> Result<OrganizationId> {
    let store = Store::open(config).await?;
    let found = store.organization_named("bench").await?;
    store.close().await;
    found.context("there is no organization")
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

fn mebibytes(name: &'static str, bytes: i64) -> Measured {
    Measured { name, value: bytes as f64 / f64::from(1 << 20), unit: Unit::Mebibytes }
}

fn percentiles(found: &mut Vec<Measured>, names: [&'static str; 2], seen: &Seen) {
    for (name, at) in names.into_iter().zip([0.5, 0.99]) {
        let value = seen.whole.value_at_quantile(at) as f64 / 1e3;
        found.push(Measured { name, value, unit: Unit::Millis });
    }
}

/// A client of the host.
struct Asking {
    client: Client,
    base: String,
    key: String,
}

impl Asking {
    async fn chat(&self, address: SocketAddr, stretch: Duration) -> Result<Seen> {
        let body = json!({"messages": [{"role": "user", "content": "How do I rotate an API key? Answer instantly."}]});
        let bearer = format!("Bearer {}", self.key);
        let target = Target::post(address, "/api/chat", &[("authorization", &bearer)], &body.to_string());
        open_loop(&target, CHATS_A_SECOND, Duration::from_secs(1)).await?;
        let seen = open_loop(&target, CHATS_A_SECOND, stretch).await?;
        ensure!(seen.failed == 0, "{} chats failed", seen.failed);
        Ok(seen)
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<(Value, Duration)> {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let started = Instant::now();
        let response = request.send().await?;
        let status = response.status();
        let answer = response.bytes().await?;
        let took = started.elapsed();
        ensure!(status.is_success(), "{path} answered {status}: {}", String::from_utf8_lossy(&answer));
        Ok((serde_json::from_slice(&answer)?, took))
    }

    /// The median of some requests.
    async fn get(
        &self,
        found: &mut Vec<Measured>,
        name: &'static str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Value> {
        let mut times = Vec::with_capacity(ROUNDS);
        let mut last = Value::Null;
        for round in 0..ROUNDS + 3 {
            let (answer, took) = self.request(Method::GET, path, None, headers).await?;
            last = answer;
            // The first rounds prepare statements.
            if round >= 3 {
                times.push(millis(took));
            }
            // What takes long isn't repeated as often.
            if round > 8 && took > Duration::from_millis(500) {
                break;
            }
        }
        found.push(Measured { name, value: median(&mut times), unit: Unit::Millis });
        Ok(last)
    }

    /// Preflights from origins that nobody allows and that aren't remembered.
    async fn preflights(&self, found: &mut Vec<Measured>) -> Result<()> {
        let mut times = Vec::with_capacity(ROUNDS);
        for nth in 0..ROUNDS {
            let preflight = self
                .client
                .request(Method::OPTIONS, format!("{}/api/chat", self.base))
                .header("origin", format!("https://stranger-{nth}.example"))
                .header("access-control-request-method", "POST");
            let started = Instant::now();
            preflight.send().await?.bytes().await?;
            times.push(millis(started.elapsed()));
        }
        found.push(Measured {
            name: "a preflight of an unknown origin",
            value: median(&mut times),
            unit: Unit::Millis,
        });
        Ok(())
    }

    /// The console's lists: their first page, and one far behind.
    async fn lists(&self, found: &mut Vec<Measured>) -> Result<()> {
        let first = self.get(found, "conversations, first page", "/api/admin/conversations", &[]).await?;
        let mut next = first["next"].clone();
        let mut path = String::new();
        for _ in 1..20 {
            let Some(cursor) = next.as_str() else { break };
            path = format!("/api/admin/conversations?before={cursor}");
            next = self.request(Method::GET, &path, None, &[]).await?.0["next"].clone();
        }
        self.get(found, "conversations, 20th page (or last)", &path, &[]).await?;
        let half_a_year = SystemClock.now().micros() - 182 * 86_400 * 1_000_000;
        let before = resly_core::time::Timestamp::from_micros(half_a_year);
        self.get(found, "conversations, half a year back", &format!("/api/admin/conversations?before={before}"), &[])
            .await?;
        let id = first["conversations"][0]["id"].as_str().unwrap_or_default();
        self.get(found, "one conversation", &format!("/api/admin/conversations/{id}"), &[]).await?;
        self.get(found, "tickets, first page", "/api/admin/tickets", &[]).await?;
        self.get(found, "connector calls, first page", "/api/admin/logs", &[]).await?;
        self.get(found, "connector calls that failed", "/api/admin/logs?status=upstream", &[]).await?;
        self.get(found, "usage", "/api/admin/usage", &[]).await?;
        Ok(())
    }

    async fn rest(&self, found: &mut Vec<Measured>) -> Result<()> {
        let day = |back: i64| {
            resly_core::time::Timestamp::from_micros(SystemClock.now().micros() - back * 86_400 * 1_000_000)
        };
        let range = format!("created_at=gte.{}&created_at=lt.{}", day(100), day(99));
        let path = format!("/rest/v1/conversations?{range}&order=created_at.desc&limit=100");
        self.get(found, "REST: a day's conversations, 100 of them", &path, &[]).await?;
        let path = "/rest/v1/messages?order=created_at.desc&limit=100";
        self.get(found, "REST: the last 100 messages", path, &[]).await?;
        let path = "/rest/v1/tickets?status=eq.open&order=created_at.desc&limit=100";
        self.get(found, "REST: the last 100 open tickets", path, &[]).await?;
        let path = "/rest/v1/messages?status=eq.failed&order=created_at.desc&limit=100";
        self.get(found, "REST: the last 100 failed answers", path, &[]).await?;
        let path = "/rest/v1/conversations?updated_at=gt.2020-01-01T00:00:00Z&order=updated_at,id&limit=100";
        self.get(found, "REST: an incremental job's first 100", path, &[]).await?;
        let path = "/rest/v1/conversations?select=id,messages(role,content)&order=created_at.desc&limit=20";
        self.get(found, "REST: 20 conversations with their messages", path, &[]).await?;
        let path = format!("/rest/v1/conversations?created_at=gte.{}&limit=1", day(1));
        let count = [("prefer", "count=exact")];
        self.get(found, "REST: count of the last day's conversations", &path, &count).await?;
        self.get(found, "REST: count of all conversations", "/rest/v1/conversations?limit=1", &count).await?;
        Ok(())
    }

    /// The first search, which makes the index, and others after it.
    async fn searches(&self, found: &mut Vec<Measured>) -> Result<()> {
        let started = Instant::now();
        let first = json!({"query": passages::named(40)});
        self.request(Method::POST, "/api/search", Some(&first), &[]).await?;
        found.push(Measured {
            name: "the first search, which makes the index",
            value: millis(started.elapsed()),
            unit: Unit::Millis,
        });
        // The first search doesn't wait for ever for a large index.
        let mut results = 0;
        for _ in 0..600 {
            let (answer, _) = self.request(Method::POST, "/api/search", Some(&first), &[]).await?;
            results = answer["results"].as_array().map_or(0, Vec::len);
            if results > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        ensure!(results > 0, "nothing is found");
        // Three words, of which one is usual, one is not and one is rare.
        let mut times = Vec::new();
        for nth in 0..200 {
            let words =
                [passages::named(5 + nth % 20), passages::named(300 + nth * 3), passages::named(5000 + nth * 31)];
            let query = json!({"query": words.join(" ")});
            times.push(millis(self.request(Method::POST, "/api/search", Some(&query), &[]).await?.1));
        }
        let (p50, p99) = (median(&mut times), times[times.len() * 99 / 100]);
        found.push(Measured { name: "search, p50", value: p50, unit: Unit::Millis });
        found.push(Measured { name: "search, p99", value: p99, unit: Unit::Millis });
        Ok(())
    }
}
