//! nginx and haproxy in front of a host, as Debian ships them. Each listens on a Unix socket in its own folder.
//!
//! A failure in here is a mistake in a test, so it panics.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is test code in a library's place")]

use std::{net::SocketAddr, process::Stdio};

use tokio::{
    net::UnixStream,
    process::{Child, Command},
};

/// A running proxy. Dropping it ends the proxy.
pub struct Proxy {
    folder: tempfile::TempDir,
    _child: Child,
}

impl Proxy {
    /// nginx with its default settings and gzip on, as in Debian's `nginx.conf`. `more` are further directives of its
    /// location, such as `proxy_http_version 1.1;`.
    pub async fn nginx(host: SocketAddr, more: &str) -> Self {
        Self::nginx_before(&[host], more).await
    }

    /// nginx in front of several hosts, which take turns. One that refuses a connection is tried again at the next request.
    pub async fn balancing(hosts: &[SocketAddr]) -> Self {
        Self::nginx_before(hosts, "proxy_http_version 1.1; proxy_buffering off;").await
    }

    async fn nginx_before(hosts: &[SocketAddr], more: &str) -> Self {
        let hosts: String = hosts.iter().map(|host| format!("server {host} max_fails=0; ")).collect();
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
            .concat();
        let config = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;\n\
             events {{ worker_connections 512; }}\n\
             http {{\n{temporary}sendfile on; tcp_nopush on; default_type application/octet-stream;\n\
             access_log off; gzip on;\n\
             upstream hosts {{ {hosts}}}\n\
             server {{ listen unix:{at}/socket; location / {{ proxy_pass http://hosts; {more} }} }}\n}}\n"
        );
        std::fs::write(folder.path().join("config"), config).unwrap();
        let file = folder.path().join("config");
        let arguments = ["-e".into(), folder.path().join("error.log").into_os_string(), "-c".into(), file.into()];
        Self::start("/usr/sbin/nginx", &arguments, folder).await
    }

    /// haproxy with the timeouts of Debian's `haproxy.cfg`.
    pub async fn haproxy(host: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let config = format!(
            "defaults\n mode http\n timeout connect 5000\n timeout client 50000\n timeout server 50000\n\
             frontend all\n bind unix@{at}/socket\n default_backend host\n\
             backend host\n server host {host}\n"
        );
        let file = folder.path().join("config");
        std::fs::write(&file, config).unwrap();
        Self::start("/usr/sbin/haproxy", &["-db".into(), "-f".into(), file.into_os_string()], folder).await
    }

    async fn start(program: &str, arguments: &[std::ffi::OsString], folder: tempfile::TempDir) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).kill_on_drop(true).stdout(Stdio::null()).stderr(Stdio::null());
        let missing = "the tests need Debian's nginx and haproxy: `make proxies` installs them";
        let mut child = command.spawn().expect(missing);
        while UnixStream::connect(folder.path().join("socket")).await.is_err() {
            if let Some(status) = child.try_wait().unwrap() {
                let log = std::fs::read_to_string(folder.path().join("error.log")).unwrap_or_default();
                panic!("{program} ended: {status} {log}");
            }
            tokio::task::yield_now().await;
        }
        Self { folder, _child: child }
    }

    /// Where it listens.
    pub fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("socket")
    }

    pub async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join("socket")).await.expect("the proxy listens")
    }
}
