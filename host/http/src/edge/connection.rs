//! Serves one connection: finds out the protocol's version within a bounded time, drives hyper, closes what is overdue,
//! and lets a client that is still sending read its answer.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use bytes::{Bytes, BytesMut};
use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Limits,
    activity::Activity,
    connection_limiter::{Admitted, ConnectionLimiter, ExceededLimit},
    exchange::Exchange,
    io::Io,
};

/// The first bytes of every HTTP/2 connection (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The most bytes of a request's head, and of one read of a body (HTTP/1).
const BUFFER: usize = 64 << 10;
/// The same of HTTP/2, as it is once it is unpacked.
const HEADER_LIST: u32 = 64 << 10;
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long a connection without a request is kept after it was told to end.
const GRACE: Duration = Duration::from_millis(250);
/// How much of a refused body is read, and for how long, so that the client gets to read the refusal.
const REST: usize = 64 << 20;
const REST_TIME: Duration = Duration::from_secs(5);
/// The longest that a connection beyond the limits is kept.
const OVER_LIMIT_TIME: Duration = Duration::from_secs(5);
const OVER_LIMIT_HEAD_TIME: Duration = Duration::from_secs(2);

/// The state that all connections share.
#[derive(Clone)]
pub struct Shared {
    pub router: Router,
    pub limiter: Arc<ConnectionLimiter>,
    /// The host is ending: connections finish their requests and begin no new ones.
    pub draining: CancellationToken,
    /// The host ends now.
    pub cut: CancellationToken,
}

/// Serves a connection to its end. The connection is counted at once, in the order of arrival.
pub fn serve(stream: TcpStream, peer: SocketAddr, shared: Shared) -> impl Future<Output = ()> + Send {
    // A model's tokens are small and must not wait for more data.
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::new());
    let admitted = shared.limiter.admit(Some(peer.ip()), &activity);
    async move {
        match admitted {
            Admitted::WithinLimit(_place) => run(stream, peer, &shared, &activity, &shared.limiter.limits, None).await,
            Admitted::OverLimit(over_limit, beyond) => {
                let limits = Limits { head_time: OVER_LIMIT_HEAD_TIME, ..shared.limiter.limits.clone() };
                tokio::select! {
                    _ = timeout(OVER_LIMIT_TIME, run(stream, peer, &shared, &activity, &limits, Some(beyond))) => {}
                    () = over_limit.ended.cancelled() => {}
                }
            }
        }
    }
}

async fn run(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Shared,
    activity: &Arc<Activity>,
    limits: &Limits,
    beyond: Option<ExceededLimit>,
) {
    let stream = Arc::new(stream);
    let first = tokio::select! {
        first = timeout(limits.head_time, first_bytes(&stream)) => first,
        () = activity.evicted.notified() => return,
        () = silent_while_draining(shared) => return,
    };
    let Ok(Ok(first)) = first else { return };
    let http2 = first == PREFACE;
    let io = TokioIo::new(Io::new(Arc::clone(&stream), Arc::clone(activity), first, !http2));
    let exchange = Exchange { router: shared.router.clone(), peer: Some(peer), activity: Arc::clone(activity), beyond };
    let service = service_fn(move |request: Request<Incoming>| exchange.clone().answer(request));
    let failed = if http2 {
        activity.multiplex();
        let mut server = http2::Builder::new(TokioExecutor::new());
        server
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .max_concurrent_streams(256)
            .max_header_list_size(HEADER_LIST);
        drive(server.serve_connection(io, service), shared, activity, limits).await
    } else {
        let mut server = http1::Builder::new();
        server.header_read_timeout(None).max_buf_size(BUFFER);
        drive(server.serve_connection(io, service), shared, activity, limits).await
    };
    if (failed || activity.has_unread()) && !http2 && !activity.needs_reset() {
        linger(&stream, shared).await;
    }
}

/// Waits until the host has drained for a moment. A request that is on its way is still answered.
async fn silent_while_draining(shared: &Shared) {
    shared.draining.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

/// Reads until it is certain whether this is HTTP/2.
async fn first_bytes(stream: &TcpStream) -> std::io::Result<Bytes> {
    let mut first = BytesMut::with_capacity(PREFACE.len());
    while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
        stream.readable().await?;
        let room = PREFACE.len() - first.len();
        match stream.try_read_buf(&mut bytes::BufMut::limit(&mut first, room)) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(first.freeze())
}

/// Drives a connection until it ends by itself or is overdue. Returns whether it failed.
async fn drive<C>(connection: C, shared: &Shared, activity: &Activity, limits: &Limits) -> bool
where
    C: GracefulConnection,
    C::Error: std::fmt::Display,
{
    let mut connection = pin!(connection);
    // The deadline is read again when it is due, because most connections have made progress by then.
    let mut look = pin!(sleep_until(Instant::now() + limits.head_time));
    let mut ending = None;
    loop {
        tokio::select! {
            // The connection first: hyper drops one that is told to end before it has read what the client sent.
            biased;
            ended = connection.as_mut() => {
                return ended.inspect_err(|error| tracing::debug!(%error, "a connection ended early")).is_err();
            }
            () = shared.draining.cancelled(), if ending.is_none() => {
                connection.as_mut().graceful_shutdown();
                ending = Some(Instant::now());
                look.as_mut().reset(Instant::now() + GRACE);
            }
            () = look.as_mut() => {
                let now = Instant::now();
                if let Some(told) = ending {
                    let idle = activity.idle_since().is_some_and(|since| since.max(told) + GRACE <= now);
                    let overdue = activity.deadline(limits).is_some_and(|deadline| deadline <= now);
                    if idle || overdue {
                        return false;
                    }
                    look.as_mut().reset(now + GRACE);
                    continue;
                }
                match activity.deadline(limits) {
                    Some(deadline) if deadline <= now => {
                        connection.as_mut().graceful_shutdown();
                        ending = Some(now);
                        look.as_mut().reset(now + GRACE);
                    }
                    Some(deadline) => look.as_mut().reset(deadline),
                    None => look.as_mut().reset(now + limits.head_time.min(limits.idle_time)),
                }
            }
            () = activity.evicted.notified() => return false,
            () = shared.cut.cancelled() => return false,
        }
    }
}

/// Ends the answer, and reads on for a while: a socket that is closed with bytes unread resets the connection, and the
/// client may lose the answer.
async fn linger(stream: &TcpStream, shared: &Shared) {
    if SockRef::from(stream).shutdown(std::net::Shutdown::Write).is_err() {
        return;
    }
    let mut buffer = vec![0; BUFFER];
    let mut rest = REST;
    let reading = async {
        while rest > 0 && stream.readable().await.is_ok() {
            match stream.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => rest = rest.saturating_sub(count),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    tokio::select! {
        _ = timeout(REST_TIME, reading) => {}
        () = silent_while_draining(shared) => {}
    }
}
