//! A load generator over bare HTTP/1.1 connections that are kept alive, so that the measuring costs little.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::Instant,
};

/// One target with the request to send it.
pub struct Target {
    address: SocketAddr,
    request: Vec<u8>,
    /// Whether an answer in one piece is a failure.
    streams: bool,
    idle: Mutex<Vec<BufReader<TcpStream>>>,
}

/// One answer's times, from when it was due to be asked.
pub struct Sample {
    pub first: Duration,
    pub whole: Duration,
    pub gaps: Vec<Duration>,
}

impl Target {
    pub fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> Arc<Self> {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(body);
        Arc::new(Self { address, request: request.into_bytes(), streams: true, idle: Mutex::default() })
    }

    /// The same for a route whose answers come in one piece.
    pub fn post_plain(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> Arc<Self> {
        let target = Self::post(address, path, headers, body);
        Arc::new(Self { request: target.request.clone(), address, streams: false, idle: Mutex::default() })
    }

    /// A route that is asked by GET and answers in one piece.
    pub fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Arc<Self> {
        let mut request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        Arc::new(Self { address, request: request.into_bytes(), streams: false, idle: Mutex::default() })
    }

    fn take(&self) -> Option<BufReader<TcpStream>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Asks once and reads the whole answer.
    pub async fn ask(&self, due: Instant) -> Result<Sample> {
        let mut stream = match self.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                BufReader::with_capacity(8 << 10, stream)
            }
        };
        stream.get_mut().write_all(&self.request).await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let status = line.split(' ').nth(1).context("no status")?.to_owned();
        let mut chunked = false;
        let mut length = 0;
        let mut says_when = false;
        loop {
            line.clear();
            stream.read_line(&mut line).await?;
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            chunked |= header == "transfer-encoding: chunked";
            says_when |= header.starts_with("retry-after: ");
            if let Some(value) = header.strip_prefix("content-length: ") {
                length = value.parse()?;
            }
        }
        if status != "200" {
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
            return Err(Refusal { status, after: due.elapsed(), says_when }.into());
        }
        if !chunked {
            ensure!(!self.streams, "the answer was not streamed");
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            let whole = due.elapsed();
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
            return Ok(Sample { first: whole, whole, gaps: Vec::new() });
        }
        let mut first = None;
        let mut last = due;
        let mut gaps = Vec::with_capacity(24);
        let mut chunk = Vec::with_capacity(1024);
        loop {
            line.clear();
            stream.read_line(&mut line).await?;
            let size = usize::from_str_radix(line.trim_end(), 16).context("no chunk size")?;
            chunk.resize(size + 2, 0);
            stream.read_exact(&mut chunk).await?;
            if size == 0 {
                break;
            }
            let now = Instant::now();
            if first.is_some() {
                gaps.push(now - last);
            } else {
                first = Some(now - due);
            }
            last = now;
        }
        let whole = due.elapsed();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        Ok(Sample { first: first.context("an empty answer")?, whole, gaps })
    }
}

/// An answer with another status than 200.
#[derive(Debug, thiserror::Error)]
#[error("status {status}")]
struct Refusal {
    status: String,
    after: Duration,
    /// Whether it says when to come back (`Retry-After`).
    says_when: bool,
}

/// What one stretch of load saw, in microseconds.
pub struct Seen {
    pub first: Histogram<u64>,
    pub whole: Histogram<u64>,
    pub gaps: Histogram<u64>,
    /// Answers of 503. They count as failed, too.
    pub shed: Histogram<u64>,
    /// Those of them that don't say when to come back.
    pub silent: usize,
    pub failed: usize,
    pub elapsed: Duration,
}

impl Seen {
    fn new() -> Result<Self> {
        let histogram = || Histogram::new_with_bounds(1, 60_000_000, 3);
        let (first, whole, gaps, shed) = (histogram()?, histogram()?, histogram()?, histogram()?);
        Ok(Self { first, whole, gaps, shed, silent: 0, failed: 0, elapsed: Duration::ZERO })
    }

    /// Whole answers a second.
    pub fn per_second(&self) -> f64 {
        self.whole.len() as f64 / self.elapsed.as_secs_f64()
    }

    fn add(&mut self, sample: Result<Sample>) {
        match sample {
            Ok(sample) => {
                record(&mut self.first, sample.first);
                record(&mut self.whole, sample.whole);
                sample.gaps.iter().for_each(|gap| record(&mut self.gaps, *gap));
            }
            Err(error) => {
                match error.downcast_ref::<Refusal>() {
                    Some(refusal) if refusal.status == "503" => {
                        record(&mut self.shed, refusal.after);
                        self.silent += usize::from(!refusal.says_when);
                    }
                    _ => {}
                }
                if self.failed == 0 {
                    tracing::warn!(%error, "a request failed");
                }
                self.failed += 1;
            }
        }
    }
}

pub fn record(histogram: &mut Histogram<u64>, duration: Duration) {
    histogram.saturating_record(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1));
}

/// Asks at a steady rate whether or not answers come, and counts from when each was due.
pub async fn open_loop(target: &Arc<Target>, per_second: u32, stretch: Duration) -> Result<Seen> {
    let count = u32::try_from(u128::from(per_second) * stretch.as_millis() / 1000)?;
    let start = Instant::now() + Duration::from_millis(20);
    let mut asked = Vec::with_capacity(count as usize);
    for n in 0..count {
        let due = start + Duration::from_secs(1) * n / per_second;
        tokio::time::sleep_until(due).await;
        let target = Arc::clone(target);
        // The timer's own lateness is not the target's.
        asked.push(tokio::spawn(async move { target.ask(Instant::now()).await }));
    }
    let mut seen = Seen::new()?;
    for answer in asked {
        seen.add(answer.await?);
    }
    seen.elapsed = start.elapsed();
    Ok(seen)
}

/// Asks again as soon as an answer is there, `clients` at once.
pub async fn closed_loop(target: &Arc<Target>, clients: usize, stretch: Duration) -> Result<Seen> {
    let start = Instant::now();
    let workers: Vec<_> = (0..clients)
        .map(|_| {
            let target = Arc::clone(target);
            tokio::spawn(async move {
                let mut samples = Vec::new();
                while start.elapsed() < stretch {
                    samples.push(target.ask(Instant::now()).await);
                }
                samples
            })
        })
        .collect();
    let mut seen = Seen::new()?;
    for worker in workers {
        worker.await?.into_iter().for_each(|sample| seen.add(sample));
    }
    seen.elapsed = start.elapsed();
    Ok(seen)
}
