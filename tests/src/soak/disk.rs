//! SQLite's disk is full from the n-th write on. Reads go on, writes are refused with 503 `disk-full`, and the host goes on
//! by itself once there is room. Nothing that was acknowledged is lost.

use std::{fs::File, io::Write, path::PathBuf, process::Command, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Extent,
    customers::Customers,
    dice::Dice,
    fleet::{Database, Fleet, Settings},
    ledger::settle,
    report::Report,
    upstream::Upstream,
};

/// The n of the n-th write is below this.
const WRITES: usize = 60;
/// How long the disk may be full until that is noticed, and how soon a host goes on once there is room.
const SOON: Duration = Duration::from_secs(10);
/// The size of the disk that is a file system of its own.
const MOUNTED: &str = "size=64m";
const LIBRARY: &str = include_str!("../../soak/full_disk.c");

/// What makes the disk full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A library in the host's process has its writes fail. It needs a C compiler, as Rust's linker does.
    Library,
    /// A small file system is filled up. It needs the right to mount one.
    FileSystem,
}

/// A disk that can be filled.
struct Disk {
    fault: Fault,
    /// The data folder's place.
    data: PathBuf,
    variables: Vec<(&'static str, String)>,
    /// Tells the library that the disk is full, or takes up the room.
    filler: PathBuf,
    folder: tempfile::TempDir,
}

impl Disk {
    fn new(fault: Fault) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data)?;
        let mut variables = Vec::new();
        let filler = match fault {
            Fault::Library => {
                let (source, library) = (folder.path().join("full.c"), folder.path().join("full.so"));
                std::fs::write(&source, LIBRARY)?;
                let mut compiler = Command::new("cc");
                compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl");
                ensure!(compiler.status().context("`cc` is needed, as for Rust's linker")?.success(), "cc failed");
                let filler = folder.path().join("full");
                variables.push(("LD_PRELOAD", library.display().to_string()));
                variables.push(("FULL_DISK", filler.display().to_string()));
                filler
            }
            Fault::FileSystem => {
                let mut mount = Command::new("mount");
                mount.args(["-t", "tmpfs", "-o", MOUNTED, "tmpfs"]).arg(&data);
                ensure!(mount.status()?.success(), "a file system can't be mounted here");
                data.join("filler")
            }
        };
        Ok(Self { fault, data, variables, filler, folder })
    }

    /// Leaves room for so many writes.
    fn fill(&self, writes: usize) -> Result<()> {
        if self.fault == Fault::Library {
            let next = self.folder.path().join("next");
            std::fs::write(&next, writes.to_string())?;
            return Ok(std::fs::rename(next, &self.filler)?);
        }
        let mut file = File::create(&self.filler)?;
        let page = [1; 4096];
        while file.write_all(&page).is_ok() {}
        let taken = file.metadata()?.len();
        Ok(file.set_len(taken.saturating_sub(4096 * writes as u64))?)
    }

    fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(&self.filler)?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.fault == Fault::FileSystem {
            let _ = Command::new("umount").arg("--lazy").arg(&self.data).status();
        }
    }
}

/// Whether this process may mount a file system.
pub fn may_mount() -> bool {
    Disk::new(Fault::FileSystem).is_ok()
}

pub async fn run(fault: Fault, extent: Extent) -> Result<Report> {
    let mut report = Report::new(format!("disk, full by {fault:?}"));
    let disk = Disk::new(fault)?;
    let upstream = Upstream::start(extent.seed, false).await?;
    let settings = Settings { data: Some(disk.data.clone()), variables: disk.variables.clone() };
    let fleet = Arc::new(Fleet::start(Database::Sqlite, &upstream, settings).await?);
    let customers = Customers::new(Arc::clone(&fleet), upstream.clone(), extent.seed);
    let crowd = tokio::spawn({
        let customers = Arc::clone(&customers);
        async move { customers.ask(extent.chats).await }
    });
    let mut dice = Dice::new(extent.seed, u64::MAX);
    let (mut slowest, mut found) = (Duration::ZERO, Duration::ZERO);
    customers.ask_at(0, SOON).await?;
    for round in 0..extent.kills {
        upstream.after(1 + dice.below(40) as u64).await;
        disk.fill(dice.below(WRITES))?;
        let known = add_until_full(&mut report, &fleet, round).await?;
        while_full(&mut report, fault, &fleet, &customers).await?;
        disk.free()?;
        let began = Instant::now();
        customers.ask_at(0, SOON * 3).await?;
        slowest = slowest.max(began.elapsed());
        for word in known {
            let waited = findable(&fleet, &customers, &word).await?;
            if waited.is_none() {
                let (_, sources) = answer(&fleet, Method::GET, "/api/admin/sources?limit=500", None).await?;
                let listed = sources["sources"].as_array().map_or(&[][..], Vec::as_slice);
                let source = listed.iter().find(|source| source["title"] == format!("About {word}"));
                report.check(false, || format!("the source {word} was added and isn't found; it is {source:?}"));
            }
            found = found.max(waited.unwrap_or_default());
        }
        let running = fleet.is_running(0).await?;
        report.check(running, || "the host ended when the disk was full".to_owned());
        if !running || !report.passed() {
            report.figure("what the host said last", fleet.last_lines(0).await?);
            break;
        }
    }
    customers.stop();
    crowd.await??;
    report.figure("times that the disk was full", extent.kills);
    report.figure("a chat was answered", format!("{:.2} s after there was room, at most", slowest.as_secs_f64()));
    report.check(slowest < SOON, || format!("a chat was answered only {slowest:?} after there was room"));
    report.figure(
        "sources of a nearly full disk were found",
        format!("{:.2} s after that, at most", found.as_secs_f64()),
    );
    let untyped = customers.told().other.get("503 store-unavailable").copied().unwrap_or(0);
    report.equal("customers who weren't told that the disk is full", i128::from(untyped), 0);
    settle(&mut report, &fleet, &upstream, &customers).await?;
    Ok(report)
}

/// Adds sources until one is refused for a full disk. The words by which those are found that were added.
async fn add_until_full(report: &mut Report, fleet: &Fleet, round: u64) -> Result<Vec<String>> {
    let began = Instant::now();
    let mut added = Vec::new();
    while began.elapsed() < SOON {
        let word = format!("zebra{round}x{}", added.len());
        let source = json!({"title": format!("About {word}"), "content_type": "text/markdown",
            "text": format!("# {word}\n\nA {word} eats grass.")});
        match answer(fleet, Method::POST, "/api/admin/sources", Some(source)).await? {
            (201 | 200, _) => added.push(word),
            (503, problem) if is_full(&problem) => return Ok(added),
            (status, problem) => report.check(false, || format!("adding a source to a full disk: {status} {problem}")),
        }
    }
    report.check(false, || "the disk was full, and no write was refused".to_owned());
    Ok(added)
}

fn is_full(problem: &Value) -> bool {
    problem["type"] == "/docs/problems/disk-full"
}

/// What has to work on a full disk, and what has to be refused.
async fn while_full(report: &mut Report, fault: Fault, fleet: &Fleet, customers: &Customers) -> Result<()> {
    let told = customers.told();
    let last = told.answers.values().next().and_then(|answers| answers.first()).context("nothing was answered yet")?;
    let stored = format!("/api/messages/{}", last.message);
    for path in ["/healthz", "/docs", "/api/admin/usage", "/api/admin/sources", "/rest/v1/tickets", stored.as_str()] {
        let (status, body) = answer(fleet, Method::GET, path, None).await?;
        report.check(status == 200, || format!("{path} on a full disk: {status} {body}"));
        let whole = path != stored || body["content"] == last.text;
        report.check(whole, || format!("{path} on a full disk: {body}, not {:?}", last.text));
    }
    // A file system that is full still has room in files that were longer before.
    let may_work = fault == Fault::FileSystem;
    let answered = customers.ask_once(0).await?;
    report.check(may_work || !answered, || "a chat was stored on a full disk".to_owned());
    for (path, body) in
        [("/api/search", json!({"query": "zebra"})), ("/api/admin/keys", json!({"name": "more", "scopes": ["chat"]}))]
    {
        let (status, problem) = answer(fleet, Method::POST, path, Some(body)).await?;
        let worked = may_work && (200..300).contains(&status);
        report.check(worked || status == 503 && is_full(&problem), || {
            format!("{path} on a full disk: {status} {problem}")
        });
        if worked && path == "/api/search" {
            customers.searched();
        }
    }
    Ok(())
}

async fn answer(fleet: &Fleet, method: Method, path: &str, body: Option<Value>) -> Result<(u16, Value)> {
    let base = fleet.url(0).context("the host is down")?;
    let mut request = fleet.client.request(method, format!("{base}{path}")).bearer_auth(&fleet.tenant.admin);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.timeout(SOON * 3).send().await.with_context(|| path.to_owned())?;
    let (status, text) = (response.status().as_u16(), response.text().await?);
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

/// How long it takes until a search finds a source. `None` when it doesn't.
async fn findable(fleet: &Fleet, customers: &Customers, word: &str) -> Result<Option<Duration>> {
    let began = Instant::now();
    while !search(fleet, customers, word).await? {
        if began.elapsed() > SOON {
            return Ok(None);
        }
    }
    Ok(Some(began.elapsed()))
}

/// Whether a search finds a source by its word. It counts as a message.
async fn search(fleet: &Fleet, customers: &Customers, word: &str) -> Result<bool> {
    let (status, found) = answer(fleet, Method::POST, "/api/search", Some(json!({"query": word}))).await?;
    ensure!(status == 200, "a search was answered with {status}: {found}");
    customers.searched();
    Ok(found.to_string().contains(&format!("About {word}")))
}
