//! Reads a response's body within bounds: bytes on the wire, decoded bytes, pauses, and total time.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::decode::{DecodeError, Decoder};

/// The most bytes on the wire beyond the kept ones, for framing and content coding.
const SLACK: usize = 64 << 10;

/// The bounds of one body.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most decoded bytes to keep.
    pub most: usize,
    /// The longest pause between two chunks.
    pub idle: Duration,
    pub until: Instant,
}

/// Why a body can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the service fell silent in the middle of its response")]
    Idle,
    #[error("the service's response did not end within the time that the call has")]
    Late,
    #[error("the service broke off its response")]
    Broken,
    #[error("the service's response is too large: it goes on without bringing anything")]
    Large,
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Reads at most `bounds.most` decoded bytes. A longer body is cut there.
pub async fn read(mut response: reqwest::Response, bounds: Bounds) -> Result<Vec<u8>, BodyError> {
    let mut decoder = Decoder::new(response.headers(), bounds.most)?;
    let mut wire = 0_usize;
    loop {
        let silent = Instant::now() + bounds.idle;
        match timeout_at(silent.min(bounds.until), response.chunk()).await {
            Err(_) if bounds.until <= silent => return Err(BodyError::Late),
            Err(_) => return Err(BodyError::Idle),
            Ok(Err(error)) => {
                tracing::debug!(error = %error.without_url(), "a response broke off");
                return Err(BodyError::Broken);
            }
            Ok(Ok(None)) => break,
            Ok(Ok(Some(chunk))) => {
                wire = wire.saturating_add(chunk.len());
                if !decoder.write(&chunk)? {
                    break;
                }
                if wire > bounds.most.saturating_add(SLACK) {
                    return Err(BodyError::Large);
                }
            }
        }
    }
    Ok(decoder.finish()?)
}
