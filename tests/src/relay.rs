//! A TCP connection to a host that can be cut.
//!
//! A failure in here is a mistake in a test, so it panics.
#![expect(clippy::unwrap_used, reason = "this is test code in a library's place")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A port that leads to another one.
pub struct TcpRelay {
    /// `http://` and its address.
    pub url: String,
    connections: Arc<AtomicUsize>,
    cuts: watch::Sender<usize>,
    closed: Arc<AtomicBool>,
}

impl TcpRelay {
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (connections, cuts) = (Arc::<AtomicUsize>::default(), watch::Sender::new(0));
        let (count, cut) = (Arc::clone(&connections), cuts.clone());
        let closed = Arc::<AtomicBool>::default();
        let refuse = Arc::clone(&closed);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut cut = cut.subscribe();
                cut.mark_unchanged();
                count.fetch_add(1, Ordering::SeqCst);
                if refuse.load(Ordering::SeqCst) {
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(to).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { url, connections, cuts, closed }
    }

    /// Cuts the open connections. New ones are accepted.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Cuts the open connections, and closes new ones at once until [`TcpRelay::open`].
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub fn open(&self) {
        self.closed.store(false, Ordering::SeqCst);
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}
