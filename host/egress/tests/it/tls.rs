//! TLS: the certificate and SNI go by the one parsed URL, and an operator's authorities count.
//!
//! `tests/data` holds an authority made for these tests, whose key was thrown away, and one certificate for `tls.test`.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body, extract::Request, response::Response};
use resly_core::connector::outbound::OutboundReason;
use resly_egress::SessionSpec;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::support::{Names, egress_with, get, manifest, none, once, spec, text};

pub const CA: &[u8] = include_bytes!("../data/ca.pem");

/// With the certificate for `tls.test`, and these protocols.
fn acceptor(protocols: &[&[u8]]) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![CertificateDer::from_pem_slice(include_bytes!("../data/tls.test.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../data/tls.test.key")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// Answers one request on each connection with its own text; remembers the names that clients asked for.
pub async fn serve() -> (u16, Arc<Mutex<Vec<String>>>) {
    let acceptor = acceptor(&[]);
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
            let length = request.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{request}");
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
    assert!(text(&response).contains(&format!("\r\nhost: tls.test:{port}\r\n")), "{}", text(&response));
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

/// A listener for axum that speaks HTTP/2 and nothing else.
struct Http2(TcpListener, TlsAcceptor);

impl axum::serve::Listener for Http2 {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.0.accept().await else { continue };
            if let Ok(stream) = self.1.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

#[tokio::test]
async fn http2_has_the_same_names_and_bounds() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let router = Router::new().fallback(move |request: Request| {
        let log = Arc::clone(&log);
        async move {
            let headers = match request.uri().path() {
                // One header of more bytes than a list may have, and a list of many.
                "/large" => vec![("x".to_owned(), "y".repeat(100_000))],
                "/many" => (0..3000).map(|n| (format!("x-{n}"), "y".repeat(40))).collect(),
                _ => Vec::new(),
            };
            let authority = request.uri().authority().map(ToString::to_string);
            log.lock().unwrap().push((request.version(), authority, request.headers().contains_key("host")));
            let response = headers.iter().fold(Response::builder(), |all, (name, value)| all.header(name, value));
            response.body(Body::from("x".repeat(2000))).unwrap()
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(Http2(listener, acceptor(&[b"h2"])), router).await });

    let host = format!("tls.test:{port}");
    let names = Arc::new(Names::default());
    let egress = egress_with(&host, "", Arc::clone(&names), |config| {
        config.extra_ca_pem = CA.to_vec();
        config.retry.retries = 0;
    });
    let granted = || SessionSpec { response_bytes: 1000, ..spec(manifest(&[&host], none())) };
    let response = once(&egress, granted(), get(format!("https://{host}/"))).await.unwrap();
    assert_eq!((response.body.len(), response.truncated), (1000, true));
    for path in ["large", "many"] {
        let failure = once(&egress, granted(), get(format!("https://{host}/{path}"))).await.unwrap_err();
        assert_eq!((failure.reason, failure.sent), (OutboundReason::Network, true), "{path}: {failure:?}");
    }
    // What was refused has not spoilt what shares the connection.
    once(&egress, granted(), get(format!("https://{host}/"))).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.iter().all(|seen| *seen == (http::Version::HTTP_2, Some(host.clone()), false)), "{seen:?}");
}

#[test]
fn authorities_that_are_none_stop_the_start() {
    for pem in [&b"not pem"[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let config = resly_egress::EgressConfig { extra_ca_pem: pem.to_vec(), ..Default::default() };
        let made = resly_egress::Egress::new(
            config,
            Arc::new(Names::default()),
            Arc::new(resly_core::testing::ConstantRandom(0)),
        );
        let error = made.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("RESLY_EGRESS_CA"), "{error:?}");
    }
}
