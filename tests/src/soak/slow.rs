//! Thousands of slow clients: a third drip a request's head, a third its body, and a third read an answer byte by byte.
//! Healthy clients must not feel it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

use super::{
    Extent,
    fleet::{Database, Fleet, Settings},
    hung::{chat, compare, measure},
    report::Report,
    upstream::Upstream,
};

/// How much longer a healthy client's p99 may be.
const MOST: f64 = 1.2;
/// From one byte to the next.
const DRIP: Duration = Duration::from_secs(4);
/// Clients that connect within a hundredth of a second.
const AT_ONCE: usize = 40;
/// A small window, so that the host has to wait for a reader.
const WINDOW: u32 = 4 << 10;
/// The descriptors that a process needs beside one for each client.
const OTHERS: u64 = 1000;

pub async fn run(extent: Extent) -> Result<Report> {
    let mut report = Report::new("slow clients");
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let clients = extent.slow.min(usize::try_from(limit.saturating_sub(OTHERS))?);
    if clients < extent.slow {
        report.figure("fewer clients", format!("{clients} of {}, since {limit} files may be open", extent.slow));
    }
    let upstream = Upstream::start(extent.seed, false).await?;
    let fleet = Arc::new(Fleet::start(Database::Sqlite, &upstream, Settings::default()).await?);
    let chat = chat(&fleet)?;
    let stretch = Duration::from_secs(extent.stretch_s);
    measure(&chat, Duration::from_secs(1)).await?;
    let alone = measure(&chat, stretch).await?;

    let address: SocketAddr = fleet.url(0).context("the host is down")?.trim_start_matches("http://").parse()?;
    let connected = Arc::new(AtomicUsize::new(0));
    let mut crowd = JoinSet::new();
    for number in 0..clients {
        let (connected, key) = (Arc::clone(&connected), fleet.tenant.key.clone());
        crowd.spawn(async move {
            loop {
                let _ = dawdle(address, number % 3, &key, &connected).await;
                tokio::time::sleep(DRIP).await;
            }
        });
        if number % AT_ONCE == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let beside = measure(&chat, stretch).await?;
    report.figure("slow clients", format!("{clients}, of which {} were connected", connected.load(Ordering::Relaxed)));
    compare(&mut report, &alone, &beside, MOST, extent.timed);
    for bug in fleet.end().await? {
        report.check(false, || bug.clone());
    }
    Ok(report)
}

/// Counts a connection while it is open.
struct Connected<'c>(&'c AtomicUsize);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One slow connection, until the host closes it.
async fn dawdle(address: SocketAddr, kind: usize, key: &str, connected: &AtomicUsize) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(WINDOW)?;
    let mut stream = socket.connect(address).await?;
    connected.fetch_add(1, Ordering::Relaxed);
    let _connected = Connected(connected);
    let head = format!("POST /api/chat HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n");
    match kind {
        0 => drip(&mut stream, head.as_bytes()).await,
        1 => {
            let head = format!("{head}content-type: application/json\r\ncontent-length: 4000\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            drip(&mut stream, &[b' '; 4000]).await
        }
        _ => {
            // A page that is larger than the window.
            stream.write_all(format!("GET /openapi.json HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).await?;
            loop {
                stream.read_u8().await?;
                tokio::time::sleep(DRIP).await;
            }
        }
    }
}

async fn drip(stream: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    for byte in bytes {
        stream.write_u8(*byte).await?;
        tokio::time::sleep(DRIP).await;
    }
    Ok(())
}
