//! Customers who ask until they have an answer. Some hang up at a random byte, some send the same request twice at once.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};

use super::{
    dice::Dice,
    fleet::Fleet,
    lock,
    question::{Kind, Question},
    upstream::Upstream,
};

/// Customers at a time.
const CUSTOMERS: usize = 12;
/// Per cent of attempts at which a customer hangs up.
const HANGS_UP: usize = 15;
/// Per cent of attempts that are sent twice at once.
const TWICE: usize = 10;
/// Attempts before a question is put aside.
const ATTEMPTS: usize = 60;
/// How long a customer waits after an attempt without an answer.
const PAUSE: Duration = Duration::from_millis(15);
/// How long an attempt may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long all hosts may be down.
const DOWN: Duration = Duration::from_secs(120);

/// What hosts told the customers.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// By question: every whole answer with status 200.
    pub answers: HashMap<u64, Vec<Answer>>,
    /// By kind: the problems, and the ways in which attempts ended otherwise.
    pub other: BTreeMap<String, u64>,
    /// Questions without an answer so far.
    pub aside: Vec<u64>,
    pub attempts: u64,
    pub hung_up: u64,
    /// Searches that were answered. Each is a message of the meter.
    pub searches: u64,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub message: String,
    pub text: String,
    /// The ids of what it asks to confirm.
    approvals: Vec<String>,
}

/// How an attempt ended.
enum Ending {
    Answered(Answer),
    Problem(String),
    Broken,
}

pub struct Customers {
    fleet: Arc<Fleet>,
    upstream: Upstream,
    seed: u64,
    next: AtomicU64,
    told: Mutex<Told>,
    enough: AtomicBool,
}

impl Customers {
    pub fn new(fleet: Arc<Fleet>, upstream: Upstream, seed: u64) -> Arc<Self> {
        let (next, told, enough) = (AtomicU64::new(0), Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { fleet, upstream, seed, next, told, enough })
    }

    /// How many questions were begun.
    pub fn asked(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    pub fn told(&self) -> Told {
        lock(&self.told).clone()
    }

    /// Asks `questions` questions, and on until [`Self::stop`] was called.
    pub async fn ask(self: &Arc<Self>, questions: u64) -> Result<()> {
        let mut crowd = JoinSet::new();
        for _ in 0..CUSTOMERS {
            let customers = Arc::clone(self);
            crowd.spawn(async move {
                loop {
                    let done = customers.enough.load(Ordering::Relaxed);
                    if done && customers.asked() >= questions {
                        return Ok::<_, anyhow::Error>(());
                    }
                    let number = customers.next.fetch_add(1, Ordering::Relaxed);
                    customers.ask_until_answered(number, ATTEMPTS).await?;
                }
            });
        }
        while let Some(ended) = crowd.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// From now on customers only ask as many questions as they have to.
    pub fn stop(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    /// Notes that a search was answered.
    pub fn searched(&self) {
        lock(&self.told).searches += 1;
    }

    /// Asks again what was put aside.
    pub async fn ask_again(&self) -> Result<()> {
        let aside = std::mem::take(&mut lock(&self.told).aside);
        for number in aside {
            self.ask_until_answered(number, ATTEMPTS).await?;
        }
        Ok(())
    }

    /// Asks one more question, on this host only, until it answers.
    pub async fn ask_at(&self, host: usize, patience: Duration) -> Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let question = Question::plain(number);
        let began = Instant::now();
        loop {
            lock(&self.told).attempts += 1;
            if let Some(base) = self.fleet.url(host)
                && self.note(&question, self.send(&base, &question, true).await)
            {
                return Ok(());
            }
            ensure!(began.elapsed() < patience, "host {host} answers no chat for {patience:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks one more question, once. Whether it was answered; otherwise it is put aside.
    pub async fn ask_once(&self, host: usize) -> Result<bool> {
        let base = self.fleet.url(host).context("the host is down")?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let question = Question::plain(number);
        let answered = self.note(&question, self.send(&base, &question, true).await);
        if !answered {
            lock(&self.told).aside.push(number);
        }
        Ok(answered)
    }

    async fn ask_until_answered(&self, number: u64, attempts: usize) -> Result<()> {
        let mut dice = Dice::new(self.seed, number);
        let question = Question::any(number, &mut dice);
        for _ in 0..attempts {
            let answered = self.attempt(&question, &mut dice).await?;
            self.upstream.beat();
            if answered && (question.kind != Kind::Order || self.confirm(number, &mut dice).await?) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        lock(&self.told).aside.push(number);
        Ok(())
    }

    /// Confirms what an answer asks, by two hosts at once. Whether one of them said what came of it.
    async fn confirm(&self, number: u64, dice: &mut Dice) -> Result<bool> {
        let answers = lock(&self.told).answers.get(&number).cloned().unwrap_or_default();
        let Some(approval) = answers.iter().find_map(|answer| answer.approvals.first()) else {
            // A repeated answer tells only what is still to be decided.
            return Ok(true);
        };
        let (one, other) = (self.wait_for_host(dice).await?, self.wait_for_host(dice).await?);
        let (one, other) = tokio::join!(self.decide(&one, approval), self.decide(&other, approval));
        Ok(one || other)
    }

    async fn decide(&self, base: &str, approval: &str) -> bool {
        let request = self.fleet.client.post(format!("{base}/api/chat/approvals/{approval}"));
        let request = request.bearer_auth(&self.fleet.tenant.key).json(&json!({"approved": true}));
        request.timeout(PATIENCE).send().await.is_ok_and(|response| response.status().is_success())
    }

    /// One attempt, or two at once. Whether there is an answer.
    async fn attempt(&self, question: &Question, dice: &mut Dice) -> Result<bool> {
        lock(&self.told).attempts += 1;
        let base = self.wait_for_host(dice).await?;
        if dice.chance(HANGS_UP) {
            lock(&self.told).hung_up += 1;
            // The host may be gone, which is a way to hang up, too.
            let _ = self.hang_up(&base, question, dice).await;
            return Ok(false);
        }
        let json = dice.chance(50);
        if !dice.chance(TWICE) {
            return Ok(self.note(question, self.send(&base, question, json).await));
        }
        let other = self.any_host(dice).unwrap_or_else(|| base.clone());
        let (one, two) = tokio::join!(self.send(&base, question, json), self.send(&other, question, !json));
        let (one, two) = (self.note(question, one), self.note(question, two));
        Ok(one || two)
    }

    /// The base URL of a host that is up, as soon as there is one.
    async fn wait_for_host(&self, dice: &mut Dice) -> Result<String> {
        let began = Instant::now();
        loop {
            if let Some(base) = self.any_host(dice) {
                return Ok(base);
            }
            ensure!(began.elapsed() < DOWN, "every host is down for {DOWN:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn any_host(&self, dice: &mut Dice) -> Option<String> {
        let up: Vec<String> = (0..self.fleet.hosts()).filter_map(|host| self.fleet.url(host)).collect();
        (!up.is_empty()).then(|| up[dice.below(up.len())].clone())
    }

    fn note(&self, question: &Question, ending: Ending) -> bool {
        let mut told = lock(&self.told);
        let kind = match ending {
            Ending::Answered(answer) => {
                told.answers.entry(question.number).or_default().push(answer);
                return true;
            }
            Ending::Problem(kind) => kind,
            Ending::Broken => "broken off".to_owned(),
        };
        *told.other.entry(kind).or_default() += 1;
        false
    }

    async fn send(&self, base: &str, question: &Question, json: bool) -> Ending {
        let format = if json { "json" } else { "text" };
        let request = self.fleet.client.post(format!("{base}/api/chat?format={format}"));
        let request = request.bearer_auth(&self.fleet.tenant.key).header("idempotency-key", question.key());
        match read(request.json(&question.body()).timeout(PATIENCE), json).await {
            Ok(ending) => ending,
            Err(_) => Ending::Broken,
        }
    }

    /// Ends the connection at a random byte of the request or of the response.
    async fn hang_up(&self, base: &str, question: &Question, dice: &mut Dice) -> Result<()> {
        let address = base.trim_start_matches("http://");
        let body = question.body().to_string();
        let request = format!(
            "POST /api/chat HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\nidempotency-key: {}\r\n\
             connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.fleet.tenant.key,
            question.key(),
            body.len()
        );
        let mut stream = TcpStream::connect(address).await?;
        if dice.chance(30) {
            let sent = dice.below(request.len());
            return Ok(stream.write_all(&request.as_bytes()[..sent]).await?);
        }
        stream.write_all(request.as_bytes()).await?;
        let mut response = vec![0; 1 + dice.below(700)];
        let _ = tokio::time::timeout(PATIENCE, stream.read_exact(&mut response)).await;
        Ok(())
    }
}

/// Reads a whole response.
async fn read(request: reqwest::RequestBuilder, json: bool) -> Result<Ending> {
    let response = request.send().await?;
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (message, approvals) = (header("x-message-id"), header("x-approvals").unwrap_or_default());
    let approvals = approvals.split(", ").filter(|id| !id.is_empty()).map(str::to_owned).collect();
    let text = response.text().await?;
    if status != 200 {
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        let kind = problem["type"].as_str().and_then(|kind| kind.rsplit('/').next()).unwrap_or("no problem");
        return Ok(Ending::Problem(format!("{} {kind}", status.as_u16())));
    }
    let message = message.context("an answer without an id")?;
    if !json {
        return Ok(Ending::Answered(Answer { message, text, approvals }));
    }
    let answer: Value = serde_json::from_str(&text)?;
    let text = answer["content"].as_str().context("an answer without a text")?.to_owned();
    let approvals = answer["approvals"].as_array().map_or(&[][..], Vec::as_slice);
    let approvals = approvals.iter().filter_map(|approval| Some(approval["id"].as_str()?.to_owned())).collect();
    Ok(Ending::Answered(Answer { message, text, approvals }))
}
