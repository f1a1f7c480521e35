//! An HTTP/1.1 client that keeps every byte of the response: head, chunks, trailers. It opens a connection for each
//! request and follows RFC 9112 without further features.
//!
//! A failure in here is a mistake in a test, so it panics.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "this is test code in a library's place")]

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The whole response.
pub struct Answer {
    pub raw: Vec<u8>,
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| Value::String(self.text()))
    }
}

/// Sends a request and reads until the connection ends.
pub async fn send(to: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n");
    head.push_str(&format!("content-length: {}\r\nte: trailers\r\n", body.len()));
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut stream = TcpStream::connect(to).await.expect("the host listens");
    let (mut input, mut output) = stream.split();
    let request = [head.as_bytes(), body].concat();
    let mut raw = Vec::new();
    // A host that refuses a request early may close the connection before it has read everything.
    let (_, read) = tokio::join!(output.write_all(&request), input.read_to_end(&mut raw));
    read.expect("an answer can be read to its end");
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n").expect("a response has a head");
    let head = String::from_utf8_lossy(&raw[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = &raw[end + 4..];
    let body = if head.contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_vec() };
    Answer { raw, status, body }
}

/// The content of a chunked body (RFC 9112, section 7.1), without its trailers.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..line]).into_owned();
        let size = usize::from_str_radix(size.split(';').next().unwrap().trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 2 + size + 2..];
    }
    body
}

/// Sends bytes unchanged, and reads until the host ends or resets the connection.
pub async fn raw(to: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).await.expect("the host listens");
    let (mut input, mut output) = stream.split();
    let mut answer = Vec::new();
    let (_, _) = tokio::join!(output.write_all(request), input.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads until `wanted` has arrived, and returns everything so far. Fails when the connection ends before that.
pub async fn until(stream: &mut (impl AsyncReadExt + Unpin), wanted: &str) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&answer);
        if text.contains(wanted) {
            return text.into_owned();
        }
        let count = stream.read(&mut buffer).await.expect("the answer goes on");
        assert!(count > 0, "it ended without {wanted:?}: {text}");
        answer.extend_from_slice(&buffer[..count]);
    }
}
