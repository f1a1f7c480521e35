//! The socket as hyper sees it. It reports what happens to [`Activity`], gives back the bytes that were read to find out
//! the protocol's version, and turns hyper's own refusals, which are empty, into problems.

use std::{
    io::{self, IoSlice, Result},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::activity::Activity;
use crate::problem::{Problem, kinds};

pub struct Io {
    stream: Arc<TcpStream>,
    activity: Arc<Activity>,
    /// The bytes that were read before hyper got the socket.
    first: Bytes,
    /// The rest of a refusal that is being written in place of hyper's.
    refusal: Option<Bytes>,
    linger: bool,
    speaks_http1: bool,
}

impl Io {
    pub fn new(stream: Arc<TcpStream>, activity: Arc<Activity>, first: Bytes, speaks_http1: bool) -> Self {
        Self { stream, activity, first, refusal: None, linger: false, speaks_http1 }
    }

    /// Makes the kernel reset the connection, and not end it, however it is closed from now on.
    fn apply_linger(&mut self, reset: bool) {
        if self.linger != reset && SockRef::from(&*self.stream).set_linger(reset.then_some(ZERO)).is_ok() {
            self.linger = reset;
        }
    }

    fn write(&mut self, context: &mut Context<'_>, write: impl Fn(&TcpStream) -> Result<usize>) -> Poll<Result<usize>> {
        if self.activity.needs_reset() {
            self.apply_linger(true);
        }
        loop {
            match write(&self.stream) {
                Ok(written) => {
                    self.activity.bytes_written();
                    return Poll::Ready(Ok(written));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.stream.poll_write_ready(context)?.is_pending() {
                        self.activity.write_blocked();
                        return Poll::Pending;
                    }
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Writes a refusal in place of hyper's.
    fn poll_refusal(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        while let Some(mut rest) = self.refusal.take_if(|rest| !rest.is_empty()) {
            let written = self.write(context, |stream| stream.try_write(&rest));
            let Poll::Ready(Ok(count)) = written else {
                self.refusal = Some(rest);
                return written.map_ok(drop);
            };
            rest.advance(count);
            self.refusal = Some(rest);
        }
        Poll::Ready(Ok(()))
    }
}

const ZERO: std::time::Duration = std::time::Duration::ZERO;

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        if !this.first.is_empty() {
            let given = this.first.split_to(this.first.len().min(buf.remaining()));
            this.activity.bytes_read(&given);
            buf.put_slice(&given);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        loop {
            match this.stream.try_read_buf(buf) {
                Ok(_) => {
                    this.activity.bytes_read(&buf.filled()[before..]);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(this.stream.poll_read_ready(context))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        if this.speaks_http1 && this.refusal.is_none() {
            this.refusal = refusal(buf, this.activity.in_request_line());
        }
        if this.refusal.is_some() {
            // hyper writes nothing after a refusal, so that all of it is this one's.
            ready!(this.poll_refusal(context))?;
            return Poll::Ready(Ok(buf.len()));
        }
        this.write(context, |stream| stream.try_write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let this = self.get_mut();
        if let Some(first) = bufs.first().filter(|_| this.speaks_http1)
            && (this.refusal.is_some() || refusal(first, false).is_some())
        {
            return Pin::new(this).poll_write(context, first);
        }
        this.write(context, |stream| stream.try_write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let reset = this.activity.needs_reset();
        this.apply_linger(reset);
        if !reset {
            SockRef::from(&*this.stream).shutdown(std::net::Shutdown::Write)?;
        }
        Poll::Ready(Ok(()))
    }
}

/// The whole response in place of hyper's own, which it makes for a head that it can't read. Hyper's own responses have
/// no body; the router's responses with these statuses have one.
fn refusal(response: &[u8], in_request_line: bool) -> Option<Bytes> {
    let status = response.strip_prefix(b"HTTP/1.1 ").or_else(|| response.strip_prefix(b"HTTP/1.0 "))?.get(..3)?;
    if !matches!(status, b"400" | b"414" | b"431") {
        return None;
    }
    let end = response.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&response[..end]).ok()?.to_ascii_lowercase();
    let empty = head.split("\r\n").any(|line| line == "content-length: 0");
    if !empty || head.contains("\r\ncontent-type:") {
        return None;
    }
    let problem = match (status, in_request_line) {
        (b"414", _) | (b"431", true) => {
            Problem::new(&kinds::URI_TOO_LONG, "the request line is longer than this host reads")
        }
        (b"431", false) => Problem::new(
            &kinds::HEADERS_TOO_LARGE,
            "the request's header fields are more or longer than this host reads",
        ),
        _ => Problem::new(
            &kinds::MALFORMED_REQUEST,
            "the request line, a header field or the body's framing is not valid HTTP/1.1 (RFC 9112)",
        ),
    };
    let (status, body) = (problem.kind().status, problem.to_json().to_string());
    Some(Bytes::from(format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        body.len()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_without_a_body_is_replaced() {
        let empty = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: now\r\n\r\n";
        let replaced = String::from_utf8(refusal(empty, false).unwrap().to_vec()).unwrap();
        assert!(replaced.contains("malformed-request") && replaced.starts_with("HTTP/1.1 400"), "{replaced}");
        let large = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n";
        let status = |bytes: Bytes| String::from_utf8_lossy(&bytes[9..12]).into_owned();
        assert_eq!(status(refusal(large, false).unwrap()), "431");
        assert_eq!(status(refusal(large, true).unwrap()), "414");
        for other in [
            &b"HTTP/1.1 400 Bad Request\r\ncontent-type: a/b\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 10\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n",
        ] {
            assert!(refusal(other, false).is_none());
        }
    }
}
