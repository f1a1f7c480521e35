//! Runs the bundled guest `plugins/extract`, which reads foreign documents: each document in a fresh instance, and none
//! before the first one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use resly_core::{
    connector::{fault::FaultKind, fuel::FuelReserve},
    id::OrganizationId,
    knowledge::document::{
        Document, ExtractError, ExtractErrorKind, Extracted, Extractor, Reading, ReadingBudget, Robots, RobotsRule,
        SitemapEntry,
    },
};
use resly_manifest::{Allowance, Digest};
use tokio::{sync::OnceCell, time::timeout};
use wasmtime::{Store, Trap};

use crate::{
    bindings::extractor::{
        Extractor as Instance, ExtractorPre,
        exports::resly::documents::documents::{self as wit, FailureKind},
    },
    deadline::before,
    error::ComponentError,
    fault,
    guest::Guest,
    limits::FAULT_MESSAGE,
    log::prefix,
    sandbox::WasmSandbox,
    slots::{Slot, Slots},
    store::{cost, store},
};

/// The bounds on reading one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtractBounds {
    /// Bytes of a document.
    pub input_bytes: usize,
    /// Bytes of the text that comes out of it. Links may add half as much.
    pub text_bytes: usize,
    pub fuel: u64,
    pub memory_bytes: usize,
    /// Wall-clock time. Other guests' turns are a part of it, so it is longer than the fuel lasts.
    pub deadline: Duration,
    /// How long a document waits for its place.
    pub wait: Duration,
    /// How long the first document waits until the guest is compiled.
    pub load_wait: Duration,
}

impl Default for ExtractBounds {
    /// A PDF of 1500 full pages, whose text is nearly as much as there may be, burns 8 thousand million units of fuel in
    /// little more than a second. Work for ten seconds is what a document asks for that was made for it.
    fn default() -> Self {
        Self {
            input_bytes: 16 << 20,
            text_bytes: 8 << 20,
            fuel: 60_000_000_000,
            memory_bytes: 256 << 20,
            deadline: Duration::from_secs(60),
            wait: Duration::from_secs(60),
            load_wait: Duration::from_secs(180),
        }
    }
}

/// The bundled guest, and the instances that it may have. A sandbox makes it: see `WasmSandbox::extractor`.
pub struct WasmExtractor {
    sandbox: Arc<WasmSandbox>,
    digest: Digest,
    pre: Arc<OnceCell<ExtractorPre<Guest>>>,
    slots: Slots,
    bounds: ExtractBounds,
}

/// What is asked of an instance.
enum Question {
    Extract(Document),
    Sitemap(Document),
    Robots(Bytes, String),
}

/// What it answers.
enum Answer {
    Extracted(Result<wit::Extracted, wit::Failure>),
    Sitemap(Result<Vec<wit::SitemapEntry>, wit::Failure>),
    Robots(wit::RobotsRules),
}

impl WasmSandbox {
    /// The reader of foreign documents, whose component has this digest. Nothing is loaded or compiled before its first
    /// document. The places of its instances are its own: `SandboxConfig::extractors`.
    pub fn extractor(self: &Arc<Self>, digest: Digest, bounds: ExtractBounds) -> Arc<WasmExtractor> {
        Arc::new(WasmExtractor {
            sandbox: Arc::clone(self),
            digest,
            pre: Arc::default(),
            slots: Slots::new(self.extractors, self.queue),
            bounds,
        })
    }
}

impl WasmExtractor {
    /// Documents that are being read.
    pub fn running(&self) -> u32 {
        self.slots.taken()
    }

    /// Loads the component, if it isn't loaded yet. A task of its own does it, so that a document that gives up doesn't
    /// stop it for the others.
    async fn load(&self) -> Result<ExtractorPre<Guest>, ExtractError> {
        if let Some(pre) = self.pre.get() {
            return Ok(pre.clone());
        }
        let (pre, loader, digest) = (Arc::clone(&self.pre), Arc::clone(&self.sandbox.loader), self.digest);
        let loading = tokio::spawn(async move { pre.get_or_try_init(|| loader.extractor(digest)).await.cloned() });
        match timeout(self.bounds.load_wait, loading).await {
            Ok(Ok(Ok(pre))) => Ok(pre),
            Ok(Ok(Err(ComponentError::CompileQueue))) | Err(_) => {
                Err(busy("the reader of documents is still being compiled here; try again in a minute"))
            }
            Ok(Ok(Err(error))) => Err(internal(&error.to_string())),
            Ok(Err(error)) => Err(internal(&error.to_string())),
        }
    }

    async fn place(&self, organization: OrganizationId) -> Result<Slot, ExtractError> {
        match timeout(self.bounds.wait, self.slots.acquire(organization)).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => Err(busy("too many documents are being read here; try again in a few minutes")),
        }
    }

    async fn ask(&self, budget: ReadingBudget, question: Question) -> Reading<Answer> {
        let organization = budget.organization;
        let refused = |error| Reading { result: Err(error), fuel: 0 };
        let have = question.bytes();
        if have > self.bounds.input_bytes {
            return refused(self.bounds.input(have));
        }
        let pre = match self.load().await {
            Ok(pre) => pre,
            Err(error) => return refused(error),
        };
        let slot = match self.place(organization).await {
            Ok(slot) => slot,
            Err(error) => return refused(error),
        };
        let run = run(Arc::clone(&self.sandbox), pre, budget, question, self.bounds, slot);
        let ended = || refused(busy("the host is shutting down; try again"));
        self.sandbox.executor.spawn(organization, run).await.unwrap_or_else(ended)
    }
}

/// Reads one document in a new instance, on a guest thread. The place is free again after the instance is dropped.
async fn run(
    sandbox: Arc<WasmSandbox>,
    pre: ExtractorPre<Guest>,
    budget: ReadingBudget,
    question: Question,
    bounds: ExtractBounds,
    slot: Slot,
) -> Reading<Answer> {
    let started = Instant::now();
    let deadline = started + bounds.deadline;
    let ReadingBudget { organization, fuel } = budget;
    let mut allowance = bounds.allowance();
    let reserve = fuel.map(|whole| {
        allowance.fuel = whole.granted().min(bounds.fuel);
        Arc::new(FuelReserve::part(&whole, allowance.fuel, bounds.fuel))
    });
    let guest = Guest::new(Arc::clone(&sandbox.shared), organization, allowance, deadline, None);
    let guest = guest.with_reserve(reserve);
    let mut store = match store(&sandbox.engine, guest) {
        Ok(store) => store,
        Err(error) => return Reading { result: Err(internal(&format!("{error:#}"))), fuel: 0 },
    };
    let pause_check = store.data().fuel.pause_check(&sandbox.engine);
    let end = before(deadline, &pause_check, async {
        let instance = pre.instantiate_async(&mut store).await?;
        question.put(&instance, &mut store).await
    });
    let result = match end.await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(bounds.trap(&error, store.data())),
        Err(_) => Err(bounds.late()),
    };
    let fuel = cost(&store, started).fuel;
    drop(store);
    drop(slot);
    Reading { result, fuel }
}

impl Question {
    fn bytes(&self) -> usize {
        match self {
            Self::Extract(document) | Self::Sitemap(document) => {
                let hints = [&document.content_type, &document.name];
                document.bytes.len() + hints.into_iter().flatten().map(String::len).sum::<usize>()
            }
            Self::Robots(text, agent) => text.len() + agent.len(),
        }
    }

    async fn put(&self, instance: &Instance, store: &mut Store<Guest>) -> wasmtime::Result<Answer> {
        let guest = instance.resly_documents_documents();
        match self {
            Self::Extract(document) => guest.call_extract(store, lower(document)).await.map(Answer::Extracted),
            Self::Sitemap(document) => guest.call_sitemap(store, lower(document)).await.map(Answer::Sitemap),
            Self::Robots(text, agent) => guest.call_robots(store, text, agent).await.map(Answer::Robots),
        }
    }
}

fn lower(document: &Document) -> wit::Document<'_> {
    let Document { bytes, content_type, name } = document;
    wit::Document { bytes, content_type: content_type.as_deref(), name: name.as_deref() }
}

impl ExtractBounds {
    fn allowance(&self) -> Allowance {
        Allowance {
            fuel: self.fuel,
            deadline: self.deadline,
            memory_bytes: self.memory_bytes,
            http_calls: 0,
            response_bytes: 0,
            output_bytes: self.text_bytes + self.text_bytes / 2,
            log_lines: 0,
        }
    }

    fn input(&self, have: usize) -> ExtractError {
        let most = self.input_bytes >> 20;
        too_large(format!("the document has {have} bytes, and {most} MiB are the most; split it or leave out pictures"))
    }

    fn late(&self) -> ExtractError {
        let most = self.deadline.as_secs();
        too_large(format!("reading the document took more than {most} s; split it, or try again when less is going on"))
    }

    /// What it means that the guest was ended.
    fn trap(&self, error: &wasmtime::Error, guest: &Guest) -> ExtractError {
        if matches!(error.downcast_ref(), Some(Trap::StackOverflow)) {
            return too_large(
                "the document nests its parts too deep; save it anew with the program that made it".into(),
            );
        }
        match fault::of(error, guest).kind {
            FaultKind::Fuel => too_large(
                "reading the document takes more work than one document may; split it or save it in a simpler form"
                    .into(),
            ),
            FaultKind::Deadline => self.late(),
            FaultKind::Memory => {
                let most = self.memory_bytes >> 20;
                too_large(format!("reading the document takes more than {most} MiB of memory; split it"))
            }
            FaultKind::TooLarge => self.output(),
            _ => {
                tracing::debug!(error = %format!("{error:#}"), "the reader of documents ended on a document");
                let message = "the document is damaged in a way that can't be read; open it in the program that made it \
                               and save it anew";
                ExtractError { kind: ExtractErrorKind::Damaged, message: message.to_owned() }
            }
        }
    }

    fn output(&self) -> ExtractError {
        let most = self.text_bytes >> 20;
        too_large(format!("the document's text has more than {most} MiB; split it"))
    }

    /// What the guest says, with the bounds that hold for it.
    fn extracted(&self, extracted: wit::Extracted) -> Result<Extracted, ExtractError> {
        let wit::Extracted { title, text, links, canonical, noindex, nofollow, note } = extracted;
        if text.len() > self.text_bytes {
            return Err(self.output());
        }
        Ok(Extracted { title, text, links, canonical, noindex, nofollow, note })
    }
}

fn failure(failure: wit::Failure) -> ExtractError {
    let kind = match failure.kind {
        FailureKind::Unsupported => ExtractErrorKind::Unsupported,
        FailureKind::Damaged => ExtractErrorKind::Damaged,
        FailureKind::Encrypted => ExtractErrorKind::Encrypted,
        FailureKind::Empty => ExtractErrorKind::Empty,
        FailureKind::TooLarge => ExtractErrorKind::TooLarge,
    };
    ExtractError { kind, message: prefix(&failure.message, FAULT_MESSAGE).to_owned() }
}

fn too_large(message: String) -> ExtractError {
    ExtractError { kind: ExtractErrorKind::TooLarge, message }
}

fn busy(message: &str) -> ExtractError {
    ExtractError { kind: ExtractErrorKind::Busy, message: message.to_owned() }
}

fn internal(cause: &str) -> ExtractError {
    tracing::error!(cause, "the reader of documents can't be run");
    let message = "the host can't run its reader of documents; its log has the cause, try again";
    ExtractError { kind: ExtractErrorKind::Internal, message: message.to_owned() }
}

/// The answer that belongs to the question.
fn answered<T>(reading: Reading<Answer>, read: impl FnOnce(Answer) -> Option<Result<T, ExtractError>>) -> Reading<T> {
    let Reading { result, fuel } = reading;
    let result = result.and_then(|answer| {
        read(answer).unwrap_or_else(|| Err(internal("an instance answered another question than it was asked")))
    });
    Reading { result, fuel }
}

#[async_trait]
impl Extractor for WasmExtractor {
    async fn extract(&self, budget: ReadingBudget, document: Document) -> Reading<Extracted> {
        let reading = self.ask(budget, Question::Extract(document)).await;
        answered(reading, |answer| match answer {
            Answer::Extracted(Ok(extracted)) => Some(self.bounds.extracted(extracted)),
            Answer::Extracted(Err(error)) => Some(Err(failure(error))),
            _ => None,
        })
    }

    async fn sitemap(&self, budget: ReadingBudget, document: Document) -> Reading<Vec<SitemapEntry>> {
        let reading = self.ask(budget, Question::Sitemap(document)).await;
        let entry = |entry: wit::SitemapEntry| SitemapEntry {
            url: entry.url,
            modified: entry.modified,
            is_sitemap: entry.is_sitemap,
        };
        answered(reading, |answer| match answer {
            Answer::Sitemap(Ok(entries)) => Some(Ok(entries.into_iter().map(entry).collect())),
            Answer::Sitemap(Err(error)) => Some(Err(failure(error))),
            _ => None,
        })
    }

    async fn robots(&self, budget: ReadingBudget, text: Bytes, agent: &str) -> Reading<Robots> {
        let reading = self.ask(budget, Question::Robots(text, agent.to_owned())).await;
        answered(reading, |answer| match answer {
            Answer::Robots(wit::RobotsRules { rules, sitemaps, crawl_delay_s }) => {
                let rule = |rule: wit::RobotsRule| RobotsRule { allow: rule.allow, path: rule.path };
                Some(Ok(Robots { rules: rules.into_iter().map(rule).collect(), sitemaps, crawl_delay_s }))
            }
            _ => None,
        })
    }
}
