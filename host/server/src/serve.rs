//! The server: accepts connections, speaks HTTP/1.1 and HTTP/2 in the clear, and drains when it is told to end.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};
use tower::ServiceExt;

use crate::{app::App, demo, jobs};

/// How long a client may take to send a request's head; also how long an idle connection is kept.
const HEAD_TIME: Duration = Duration::from_secs(30);
const PING_EVERY: Duration = Duration::from_secs(20);
/// What open requests get before they are cut, and what turns without a reader get after that: together under 10 s.
const DRAIN: Duration = Duration::from_secs(7);
const DRAIN_TURNS: Duration = Duration::from_secs(2);

/// Serves, and does what a host does unasked, until `stop` says so; then drains.
pub async fn serve(app: Arc<App>, router: Router, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    if let Ok(address) = listener.local_addr() {
        app.public_url.get_or_init(|| demo::url(None, address));
    }
    let mut jobs = jobs::start(&app);
    let graceful = GracefulShutdown::new();
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).pipeline_flush(true);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .max_concurrent_streams(256)
        .max_header_list_size(32 << 10);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Usually no file descriptors: accepting again at once would only spin.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = asked(&mut stop) => break,
        };
        let service = service(&stream, router.clone());
        let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    tracing::info!("draining");
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still open and are cut");
    }
    let running = || app.turns.live.count();
    let until = tokio::time::Instant::now() + DRAIN_TURNS;
    while running() > 0 && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if running() > 0 {
        tracing::warn!(turns = running(), "some answers were not finished; they are stored as interrupted");
    }
    jobs.shutdown().await;
    app.connectors.settle_pending().await;
    app.keyring.flush().await;
    app.store.close().await;
}

fn service(
    stream: &TcpStream,
    router: Router,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = http::Response<Body>,
    Error = std::convert::Infallible,
    Future: Send + 'static,
> + Clone
+ Send
+ 'static {
    // Tokens are small and must not wait for more to come.
    let _ = stream.set_nodelay(true);
    let peer = stream.peer_addr().ok();
    hyper::service::service_fn(move |mut request: Request<Incoming>| {
        if let Some(peer) = peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        router.clone().oneshot(request.map(Body::new))
    })
}

/// Waits until the process is asked to end; a signal that can't come any more counts as one.
async fn asked(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Says when the process is asked to end (SIGTERM, or Ctrl-C).
pub fn stop_signal() -> std::io::Result<watch::Receiver<bool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        sender.send_replace(true);
    });
    Ok(receiver)
}
