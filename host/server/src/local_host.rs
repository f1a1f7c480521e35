//! The host that listens on this machine, as commands beside it ask it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, ensure};

/// How long a health check waits. Containers' own checks are given 5 seconds.
const HEALTH: Duration = Duration::from_secs(3);

/// The URL of the host that listens on this address, which may be every address.
pub fn url(listen: SocketAddr) -> String {
    let host = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(host, listen.port()))
}

/// A client of it, with the time that an answer may take.
pub fn client(patience: Duration) -> reqwest::Result<reqwest::Client> {
    // The client needs a provider even for plain HTTP. Another caller may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.tls_certs_only([]).timeout(patience).build()
}

/// `resly healthcheck`: fails unless the host on this address runs.
pub async fn check_health(listen: SocketAddr) -> anyhow::Result<()> {
    let response = client(HEALTH)?.get(format!("{}/healthz", url(listen))).send().await;
    let status = response.with_context(|| format!("no host answers on {listen}"))?.status();
    ensure!(status.is_success(), "the host on {listen} answers {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_listens_everywhere_is_asked_on_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:8080", "http://127.0.0.1:8080"),
            ("[::]:80", "http://[::1]:80"),
            ("10.0.0.7:8080", "http://10.0.0.7:8080"),
        ] {
            assert_eq!(url(listen.parse().unwrap()), expected);
        }
    }
}
