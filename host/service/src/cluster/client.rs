//! Asks the host that writes an answer for the turn's events, or to cancel it.

use std::time::Duration;

use memchr::memchr;
use reqwest::{Method, StatusCode, header, redirect};
use resly_core::turn::live::TurnEvent;

use super::{Cluster, TurnAddress};

const CONNECT: Duration = Duration::from_secs(1);
/// How long a host may take to begin its answer, and to cancel a turn.
const ANSWER: Duration = Duration::from_secs(3);
/// How long a stream may be silent. The host that writes the answer sends an empty line more often.
const SILENCE: Duration = Duration::from_secs(15);
/// The most bytes of one event. An answer's text has 256 KiB, and a tool's output is bounded as well.
const EVENT_MOST: usize = 16 << 20;

/// Why another host didn't give the events of a turn.
#[derive(Debug, thiserror::Error)]
pub(super) enum PeerError {
    #[error("this host has no key that it shares with others")]
    NoKey,
    #[error("the host could not be reached: {0}")]
    Unreachable(reqwest::Error),
    #[error("the host took too long to answer")]
    Slow,
    #[error("the host answered with status {0}")]
    Status(StatusCode),
    #[error("the stream broke off: {0}")]
    BrokeOff(reqwest::Error),
    #[error("the stream ended before the turn did")]
    Ended,
    #[error("an event is longer than {EVENT_MOST} bytes")]
    TooLong,
    #[error("an event can't be read: {0}")]
    Event(serde_json::Error),
}

pub(super) fn build() -> reqwest::Result<reqwest::Client> {
    // The client needs a provider even for plain HTTP. Another caller may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .http1_only()
        .tls_certs_only([])
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .build()
}

impl Cluster {
    async fn ask(&self, url: &str, turn: &TurnAddress, method: Method) -> Result<reqwest::Response, PeerError> {
        let path = turn.to_string();
        let key = self.verifier.as_ref().ok_or(PeerError::NoKey)?.key();
        let signature = key.sign(method.as_str(), &path, self.clock.now(), &*self.random);
        let request = self.client.request(method, format!("{url}{path}"));
        let sent = request.header(header::AUTHORIZATION, signature.to_string()).send();
        let response = tokio::time::timeout(ANSWER, sent).await.map_err(|_| PeerError::Slow)?;
        let response = response.map_err(PeerError::Unreachable)?;
        if response.status().is_success() { Ok(response) } else { Err(PeerError::Status(response.status())) }
    }

    /// Begins to follow a turn of the host at `url`, from its first event on.
    pub(super) async fn follow_turn(&self, url: &str, turn: &TurnAddress) -> Result<EventReader, PeerError> {
        let response = self.ask(url, turn, Method::GET).await?;
        Ok(EventReader { response, buffer: Vec::new(), searched: 0 })
    }

    pub(super) async fn cancel_turn(&self, url: &str, turn: &TurnAddress) -> Result<(), PeerError> {
        self.ask(url, turn, Method::DELETE).await.map(drop)
    }
}

/// Reads a turn's events, one JSON text a line. Empty lines only show that the host is there.
pub(super) struct EventReader {
    response: reqwest::Response,
    buffer: Vec<u8>,
    /// How much of the buffer holds no line break.
    searched: usize,
}

impl EventReader {
    /// The next event. It is safe to drop the future and to call this again.
    pub(super) async fn next(&mut self) -> Result<TurnEvent, PeerError> {
        loop {
            while let Some(at) = memchr(b'\n', &self.buffer[self.searched..]) {
                let rest = self.buffer.split_off(self.searched + at + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                self.searched = 0;
                if line.len() > 1 {
                    return serde_json::from_slice(&line).map_err(PeerError::Event);
                }
            }
            self.searched = self.buffer.len();
            if self.searched > EVENT_MOST {
                return Err(PeerError::TooLong);
            }
            let chunk = self.response.chunk().await.map_err(PeerError::BrokeOff)?.ok_or(PeerError::Ended)?;
            self.buffer.extend_from_slice(&chunk);
        }
    }
}
