//! TLS: the certificate and SNI go by the one parsed URL, and an operator's authorities count.
//!
//! `tests/data` holds an authority made for these tests, whose key was thrown away, and one certificate for `tls.test`.

use std::sync::{Arc, Mutex};

use resly_core::outbound::OutboundReason;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::support::{Names, egress_with, get, manifest, none, once, spec, text};

const CA: &[u8] = include_bytes!("../data/ca.pem");

/// Answers one request on each connection; remembers the names that clients asked for.
async fn serve() -> (u16, Arc<Mutex<Vec<String>>>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![CertificateDer::from_pem_slice(include_bytes!("../data/tls.test.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../data/tls.test.key")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let names = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&names);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            seen.lock().unwrap().push(stream.get_ref().1.server_name().unwrap_or_default().to_owned());
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap_or_default();
            let request = String::from_utf8_lossy(&request[..read]).to_lowercase();
            let host = request.lines().find(|line| line.starts_with("host:")).unwrap_or_default().to_owned();
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{host}", host.len());
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (port, names)
}

#[tokio::test]
async fn sni_host_and_certificate_are_of_one_name() {
    let (port, names) = serve().await;
    let hosts = [format!("tls.test:{port}"), format!("other.test:{port}")];
    let allow = hosts.join(",");
    let trusting = egress_with(&allow, "", Arc::new(Names::default()), |config| config.extra_ca_pem = CA.to_vec());
    let granted = || spec(manifest(&[&hosts[0], &hosts[1]], none()));
    let response = once(&trusting, granted(), get(format!("https://TLS.test:{port}/"))).await.unwrap();
    assert_eq!(text(&response), format!("host: tls.test:{port}"));
    assert_eq!(*names.lock().unwrap(), ["tls.test"]);

    let failure = once(&trusting, granted(), get(format!("https://other.test:{port}/"))).await.unwrap_err();
    assert_eq!((failure.reason, failure.sent), (OutboundReason::Network, false), "{}", failure.message);
    assert!(failure.message.contains("TLS failed"), "{}", failure.message);

    let wary = egress_with(&allow, "", Arc::new(Names::default()), |config| config.retry.retries = 0);
    let failure = once(&wary, granted(), get(format!("https://tls.test:{port}/"))).await.unwrap_err();
    assert!(failure.message.contains("TLS failed"), "{}", failure.message);
}

#[tokio::test]
async fn a_private_https_service_that_is_not_listed_sees_no_connection() {
    let (port, names) = serve().await;
    let host = format!("tls.test:{port}");
    let egress = egress_with("", "", Arc::new(Names::default()), |config| config.extra_ca_pem = CA.to_vec());
    let failure = once(&egress, spec(manifest(&[&host], none())), get(format!("https://{host}/"))).await.unwrap_err();
    assert_eq!((failure.reason, failure.sent), (OutboundReason::Denied, false), "{}", failure.message);
    assert!(names.lock().unwrap().is_empty());
}

#[test]
fn authorities_that_are_none_stop_the_start() {
    for pem in [&b"not pem"[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let config = resly_egress::EgressConfig { extra_ca_pem: pem.to_vec(), ..Default::default() };
        let made = resly_egress::Egress::new(config, Arc::new(Names::default()), Arc::new(crate::support::Zeros));
        let error = made.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("RESLY_EGRESS_CA"), "{error:?}");
    }
}
