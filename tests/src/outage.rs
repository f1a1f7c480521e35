//! A connection to PostgreSQL that can be cut and restored: a Unix socket in front of the server's.
//!
//! A failure in here is a mistake in a test, so it panics.
#![expect(clippy::unwrap_used, reason = "this is test code in a library's place")]

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{UnixListener, UnixStream},
    sync::watch,
};

/// The file name that clients expect in the folder that is their `host`.
const SOCKET: &str = ".s.PGSQL.5432";

/// What the connection does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Open,
    /// It takes what comes and answers nothing.
    Silent,
    Cut,
}

/// The connection. It is open at first.
pub struct Relay {
    /// A URL that leads through it.
    pub url: String,
    line: watch::Sender<Line>,
    tries: Arc<AtomicUsize>,
    _folder: tempfile::TempDir,
}

impl Relay {
    /// Starts it in front of the server of this URL, whose `host` is a folder.
    pub fn start(url: &str) -> Self {
        let (base, host) = url.split_once("?host=").unwrap();
        let server = PathBuf::from(host.replace("%2F", "/")).join(SOCKET);
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let line = watch::Sender::new(Line::Open);
        let state = line.clone();
        let tries = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&tries);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (server, mut state) = (server.clone(), state.subscribe());
                tokio::spawn(async move {
                    if *state.borrow_and_update() == Line::Open {
                        let Ok(mut server) = UnixStream::connect(server).await else { return };
                        tokio::select! {
                            _ = copy_bidirectional(&mut client, &mut server) => return,
                            _ = state.wait_for(|line| *line != Line::Open) => {}
                        }
                    }
                    // What was silent once is never answered.
                    state.wait_for(|line| *line != Line::Silent).await.ok();
                });
            }
        });
        let url = format!("{base}?host={}", folder.path().display().to_string().replace('/', "%2F"));
        Self { url, line, tries, _folder: folder }
    }

    /// Cuts every connection and accepts no new one.
    pub fn cut(&self) {
        self.line.send_replace(Line::Cut);
    }

    /// Takes what comes from now on, and answers nothing.
    pub fn silence(&self) {
        self.line.send_replace(Line::Silent);
    }

    pub fn mend(&self) {
        self.line.send_replace(Line::Open);
    }

    /// How often somebody connected, also while it was cut.
    pub fn tries(&self) -> usize {
        self.tries.load(Ordering::SeqCst)
    }
}
