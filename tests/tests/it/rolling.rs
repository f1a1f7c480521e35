//! A rolling restart under load: two hosts behind nginx, each stopped and started again while clients stream.

use std::{
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use futures::future::join_all;
use reqwest::Client;
use resly_tests::{
    app::TestApp,
    host::{binary, master_key, share_compiled},
    model::{ending, event},
    postgres,
    proxy::Proxy,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    task::JoinHandle,
};

use crate::several_hosts::ask;

const STREAMS: usize = 20;
/// Clients that ask one question after the other meanwhile.
const ASKING: usize = 4;

struct Host {
    child: Child,
    address: SocketAddr,
}

impl Host {
    async fn start(database: &str, model: &str, data: &Path, listen: &str) -> Self {
        let mut command = Command::new(binary());
        command.args(["serve", "--listen", listen, "--data"]).arg(data).env("RESLY_MASTER_KEY", master_key());
        command.env("RESLY_DATABASE_URL", database).env("RESLY_DRAIN_S", "60");
        command.env("RESLY_MODEL_URL", model).env("RESLY_MODEL", "scripted");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the binary is built by `make test`");
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).await.unwrap() > 0, "it says where it listens");
            if let Some((_, url)) = line.split_once("listening url=") {
                let url = url.split_whitespace().next().unwrap();
                break url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
            }
        };
        // A pipe that nobody reads would stop it.
        tokio::spawn(async move { while let Ok(1..) = lines.read(&mut [0; 4096]).await {} });
        Self { child, address }
    }

    fn terminate(&self) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }
}

/// Clients that ask until they are told to stop. Every question has to be answered.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(client: &Client, key: &str) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let clients = (0..ASKING).map(|_| {
            let (client, key) = (client.clone(), key.to_owned());
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let asked = client.post("http://resly/api/chat").bearer_auth(&key).json(&ask("Hi"));
                    let response = asked.send().await.unwrap();
                    let (status, text) = (response.status(), response.text().await.unwrap());
                    assert_eq!((status.as_u16(), text.as_str()), (200, "ok"));
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        Self { clients: clients.collect(), stop, answered }
    }

    /// Waits until so many more questions were answered.
    async fn answers(&self, more: usize) {
        let until = self.answered.load(Ordering::SeqCst) + more;
        while self.answered.load(Ordering::SeqCst) < until {
            assert!(self.clients.iter().all(|client| !client.is_finished()), "a question wasn't answered");
            tokio::task::yield_now().await;
        }
    }

    async fn end(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.unwrap();
        }
        self.answered.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_resets_nothing() {
    let database = postgres::database().await;
    let observer = TestApp::on_postgres(&database, "127.0.0.1:9".parse().unwrap()).await;
    observer.keep_the_machines_time();
    let model = observer.model.url.clone();
    let data = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut hosts = Vec::new();
    for folder in &data {
        share_compiled(folder.path());
        hosts.push(Host::start(&database, &model, folder.path(), "127.0.0.1:0").await);
    }
    let proxy = Proxy::balancing(&[hosts[0].address, hosts[1].address]).await;
    // The first call makes sure that there is a provider for TLS.
    drop(resly_tests::app::client());
    let client = Client::builder().no_proxy().unix_socket(proxy.socket()).build().unwrap();

    let mut answered = 0;
    for (at, folder) in data.iter().enumerate() {
        let rest =
            || vec![event(&json!({"content": "done."}), Value::Null), event(&json!({}), json!("stop")), ending()];
        let first = || vec![event(&json!({"content": "Half "}), Value::Null)];
        let gates: Vec<_> = (0..STREAMS).map(|_| observer.model.says_after(first(), rest())).collect();
        let streams = join_all((0..STREAMS).map(async |_| {
            let asked = client.post("http://resly/api/chat").bearer_auth(&observer.key).json(&ask("Tell me"));
            let mut response = asked.send().await.unwrap();
            assert_eq!(response.chunk().await.unwrap().unwrap(), "Half ");
            response
        }));
        let streams = streams.await;

        let load = Load::start(&client, &observer.key);
        load.answers(2 * ASKING).await;
        hosts[at].terminate();
        while TcpStream::connect(hosts[at].address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        load.answers(5 * ASKING).await;
        assert!(hosts[at].child.try_wait().unwrap().is_none(), "it waits for its streams");
        gates.iter().for_each(|gate| gate.notify_one());
        for stream in join_all(streams.into_iter().map(|stream| stream.text())).await {
            assert_eq!(stream.unwrap(), "done.");
        }
        assert!(hosts[at].child.wait().await.unwrap().success());
        let address = hosts[at].address.to_string();
        hosts[at] = Host::start(&database, &model, folder.path(), &address).await;
        load.answers(5 * ASKING).await;
        answered += load.end().await + STREAMS;
    }
    assert_eq!(observer.used("messages").await, answered as u64, "what was acknowledged is counted, once");
    let usage: Value = observer.send_as(&observer.admin, "GET", "/api/admin/usage").await.json().await.unwrap();
    assert!(usage["meters"]["messages"].is_object(), "{usage}");
}
