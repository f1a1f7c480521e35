//! The server: accepts connections, speaks HTTP/1.1 and HTTP/2 in the clear, and drains when it is told to end.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use resly_http::{
    Api,
    edge::{
        connection::{self, Shared},
        descriptors::{AcceptFault, accept_fault, back_off},
    },
    metrics::{Prometheus, set_gauges},
    router,
};
use resly_service::App;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::jobs;

// Together with the drain, whose default is 5.5 s, all of this is under 9 s: containers are usually killed after 10.
/// How long interrupted answers may take to be stored and sent.
const INTERRUPT: Duration = Duration::from_millis(1_500);
/// How long each of the host's own parts may take to end.
const CLOSE: Duration = Duration::from_millis(500);
/// How often recorded numbers are put into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);
/// How often a lack of descriptors is logged.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Connections that the system keeps until they are accepted; Linux keeps at most `net.core.somaxconn`. When there are
/// more, a client's first packet is dropped, and it tries again after a second, so the queue is as long as it may be.
const BACKLOG: u32 = 4_096;

/// Listens on an address.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A host that starts again soon may listen on the same port, as tokio's own listeners may.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves and runs the jobs until `stop` is true, then drains.
pub async fn serve(api: Api, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let router = router::router(api.clone(), resly_console::router(&api));
    let Api { app, connection_limiter: limiter, prometheus, drain: patience, .. } = api.clone();
    if let Ok(address) = listener.local_addr() {
        app.public_url.get_or_init(|| url(None, address));
        app.cluster.listening_on((!address.ip().is_unspecified()).then(|| format!("http://{address}")));
    }
    // Before the first turn, so that others can find its writer. The job tries again.
    if let Err(error) = app.cluster.renew().await {
        tracing::warn!(%error, "the other hosts could not be told of this one");
    }
    let mut jobs = jobs::start(&app);
    jobs.spawn(keep_metrics_small(prometheus));
    jobs.spawn(send_metrics(api.clone()));
    let connections = TaskTracker::new();
    let shared = Shared { router, limiter, draining: CancellationToken::new(), cut: CancellationToken::new() };
    tokio::select! {
        () = accept(&listener, &shared, &connections) => {}
        () = shutdown_requested(&mut stop) => {}
    }
    accept_rest(listener, &shared, &connections);
    app.stopping.store(true, Ordering::Relaxed);
    tracing::info!("draining");
    shared.draining.cancel();
    connections.close();
    drain(&app, &connections, patience).await;
    shared.cut.cancel();
    bounded("connections", connections.wait()).await;
    bounded("jobs", jobs.shutdown()).await;
    bounded("calls", app.connectors.settle_pending()).await;
    bounded("key usage and the host's row", async { tokio::join!(app.keyring.flush(), app.cluster.leave()) }).await;
    set_gauges(&api);
    tokio::join!(bounded("store", app.store.close()), bounded("telemetry", flush_telemetry(&app)));
}

/// Sends the metrics to OpenTelemetry's collector again and again.
async fn send_metrics(api: Api) {
    let Some(exporter) = api.app.tracer.exporter() else { return };
    let Some(every) = exporter.metrics_every() else { return };
    loop {
        sleep(every).await;
        set_gauges(&api);
        exporter.send_metrics().await;
    }
}

/// Sends what was recorded last.
async fn flush_telemetry(app: &App) {
    if let Some(exporter) = app.tracer.exporter() {
        exporter.flush().await;
    }
}

/// Recorded numbers take memory until they are in their buckets, also when nobody reads the metrics.
async fn keep_metrics_small(prometheus: Arc<Prometheus>) {
    loop {
        sleep(UPKEEP).await;
        prometheus.upkeep();
    }
}

async fn accept(listener: &TcpListener, shared: &Shared, connections: &TaskTracker) {
    let mut failures = 0;
    let mut warned: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                failures = 0;
                connections.spawn(connection::serve(stream, peer, shared.clone()));
            }
            Err(error) if accept_fault(&error) == AcceptFault::Connection => {
                tracing::debug!(%error, "a connection was gone before it was accepted");
            }
            Err(error) => {
                failures += 1;
                if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
                    warned = Some(Instant::now());
                    tracing::warn!(%error, open = shared.limiter.open(), "connections can't be accepted");
                }
                shared.limiter.make_room();
                sleep(back_off(failures)).await;
            }
        }
    }
}

/// Accepts the connections that clients have opened, and closes the listener. A connection that is never accepted would be
/// reset, and a proxy can't repeat a question that it has sent.
fn accept_rest(listener: TcpListener, shared: &Shared, connections: &TaskTracker) {
    // Asks the system itself: tokio hears of new connections a moment later.
    let Ok(listener) = listener.into_std() else { return };
    for _ in 0..BACKLOG {
        let Ok((stream, peer)) = listener.accept() else { return };
        let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
        if let Ok(stream) = stream {
            connections.spawn(connection::serve(stream, peer, shared.clone()));
        }
    }
}

/// Waits for open requests and for answers without a reader. Interrupts those that take longer than `patience`.
async fn drain(app: &App, connections: &TaskTracker, patience: Duration) {
    let ended = async {
        connections.wait().await;
        while app.turns.live.count() > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let mut ended = std::pin::pin!(ended);
    if timeout(patience, ended.as_mut()).await.is_ok() {
        return;
    }
    let turns = app.turns.live.count();
    tracing::warn!(turns, "some requests are still open: their answers are stored as interrupted");
    app.turns.live.interrupt_all();
    if timeout(INTERRUPT, ended).await.is_err() {
        tracing::warn!(turns = app.turns.live.count(), "some requests were still open and are cut");
    }
}

/// Waits a short time for the end of a part of the host.
async fn bounded(part: &'static str, end: impl Future) {
    if timeout(CLOSE, end).await.is_err() {
        tracing::warn!(part, "it took too long to end and was left");
    }
}

/// Waits until the process is asked to end. A closed channel counts as that.
async fn shutdown_requested(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The host's URL: the public URL, or else the address on which it listens.
pub fn url(public: Option<&url::Url>, listening: SocketAddr) -> String {
    match public {
        Some(public) => public.as_str().trim_end_matches('/').to_owned(),
        None if listening.ip().is_unspecified() => format!("http://127.0.0.1:{}", listening.port()),
        None => format!("http://{listening}"),
    }
}

/// Signals when the process is asked to end (SIGTERM or Ctrl-C). A second signal ends it at once.
pub fn stop_signal() -> io::Result<watch::Receiver<bool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        for again in [false, true] {
            let kind = tokio::select! {
                _ = terminate.recv() => SignalKind::terminate(),
                _ = interrupt.recv() => SignalKind::interrupt(),
            };
            if again {
                // The exit code that shells use for a process that a signal has ended.
                std::process::exit(128 + kind.as_raw_value());
            }
            sender.send_replace(true);
        }
    });
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream as StdStream;

    use super::*;

    #[tokio::test]
    async fn clients_that_come_together_wait_without_being_dropped() {
        let kept = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse::<u32>().unwrap();
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        rustix::process::setrlimit(
            rustix::process::Resource::Nofile,
            rustix::process::Rlimit {
                current: Some(4_000),
                ..rustix::process::getrlimit(rustix::process::Resource::Nofile)
            },
        )
        .unwrap();
        // Nobody accepts them. One that is dropped gets no answer, and tries again after a second.
        let mut waiting = Vec::new();
        for n in 0..kept.min(1_500) {
            let connected = StdStream::connect_timeout(&address, Duration::from_millis(900));
            waiting.push(connected.unwrap_or_else(|error| panic!("client {n} of {kept}: {error}")));
        }
    }
}
