//! Tests that only checked addresses are dialled, with a resolver that answers differently each time. Tests can't dial
//! public addresses, so their guard accepts `127.0.0.2` as one and judges all others as in production.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use resly_core::{
    connector::outbound::{Outbound, OutboundFailure, OutboundReason, OutboundRequest, OutboundResponse},
    id::{ConnectionId, OrganizationId},
    testing::ConstantRandom,
};
use resly_manifest::Auth;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use crate::{
    CredentialSource, Egress, EgressConfig, Resolve, RetryPolicy, Session, SessionSpec,
    policy::guard::{self, Refused},
};

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const PRIVATE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn guard(address: IpAddr) -> Result<(), Refused> {
    if address == PUBLIC { Ok(()) } else { guard::check(address) }
}

/// Gives each answer once, in order.
struct Rebinding {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

#[async_trait]
impl Resolve for Rebinding {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answers.lock().unwrap().pop_front().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A service for `tls.test` on one address, and a victim on the other one that counts connections, on the same port.
struct Harness {
    resolver: Arc<Rebinding>,
    session: Arc<Session>,
    port: u16,
    dialled: Arc<AtomicUsize>,
    victims: Arc<AtomicUsize>,
}

impl Harness {
    /// Each of the service's connections answers its requests with these statuses and is then closed.
    async fn start(answers: &[&[IpAddr]], statuses: &'static [u16]) -> Self {
        let (service, victim) = loop {
            let service = TcpListener::bind((PUBLIC, 0)).await.unwrap();
            let port = service.local_addr().unwrap().port();
            if let Ok(victim) = TcpListener::bind((PRIVATE, port)).await {
                break (service, victim);
            }
        };
        let port = service.local_addr().unwrap().port();
        let (dialled, victims) = (Arc::default(), Arc::default());
        tokio::spawn(count(victim, Arc::clone(&victims)));
        tokio::spawn(serve(service, Arc::clone(&dialled), statuses));

        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        let resolver = Arc::new(Rebinding { answers: Mutex::new(answers), asked: AtomicUsize::new(0) });
        let config = EgressConfig {
            extra_ca_pem: include_bytes!("../tests/data/ca.pem").to_vec(),
            retry: RetryPolicy { base: Duration::from_millis(1), ..RetryPolicy::default() },
            ..EgressConfig::default()
        };
        let egress =
            Egress::with_guard(guard, config, Arc::clone(&resolver) as _, Arc::new(ConstantRandom(0))).unwrap();
        let manifest = json!({
            "id": "t", "name": "T", "version": "1.0.0", "actions": [], "redirects": true,
            "hosts": [format!("tls.test:{port}")],
        });
        let session = egress.session(SessionSpec {
            organization: OrganizationId(Uuid::from_u128(1)),
            connection: ConnectionId(Uuid::from_u128(2)),
            manifest: Arc::new(serde_json::from_value(manifest).unwrap()),
            auth: Auth::None,
            settings: json!({}),
            credentials: CredentialSource::None,
            idempotent: false,
            http_calls: 16,
            response_bytes: 1 << 20,
            deadline: Duration::from_secs(30),
        });
        Self { resolver, session, port, dialled, victims }
    }

    async fn get(&self) -> Result<OutboundResponse, OutboundFailure> {
        let url = format!("https://tls.test:{}/", self.port);
        let request = OutboundRequest { method: "GET".to_owned(), url, headers: Vec::new(), body: None, timeout: None };
        self.session.send(request).await
    }

    /// Look-ups, connections to the service, connections to the victim.
    fn counts(&self) -> (usize, usize, usize) {
        let of = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        (of(&self.resolver.asked), of(&self.dialled), of(&self.victims))
    }
}

async fn count(listener: TcpListener, connections: Arc<AtomicUsize>) {
    while listener.accept().await.is_ok() {
        connections.fetch_add(1, Ordering::SeqCst);
    }
}

async fn serve(listener: TcpListener, connections: Arc<AtomicUsize>, statuses: &'static [u16]) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![CertificateDer::from_pem_slice(include_bytes!("../tests/data/tls.test.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../tests/data/tls.test.key")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()));
    while let Ok((stream, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        let Ok(mut stream) = acceptor.accept(stream).await else { continue };
        tokio::spawn(async move {
            for status in statuses {
                if stream.read(&mut [0; 4096]).await? == 0 {
                    break;
                }
                let answer = format!("HTTP/1.1 {status} X\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await?;
                stream.flush().await?;
            }
            stream.shutdown().await
        });
    }
}

#[tokio::test]
async fn one_answer_is_checked_and_dialled_and_the_next_is_not_asked_for() {
    let harness = Harness::start(&[&[PUBLIC], &[PRIVATE]], &[200]).await;
    assert_eq!(harness.get().await.unwrap().status, 200);
    assert_eq!(harness.counts(), (1, 1, 0));
}

#[tokio::test]
async fn a_new_connection_is_checked_anew() {
    let harness = Harness::start(&[&[PUBLIC], &[PRIVATE], &[PUBLIC]], &[200]).await;
    assert_eq!(harness.get().await.unwrap().status, 200);
    // The service has closed it by now, or does so as soon as it is used.
    let failure = loop {
        match harness.get().await {
            Err(failure) if failure.reason == OutboundReason::Denied => break failure,
            Err(failure) => assert_eq!(failure.reason, OutboundReason::Network, "{failure:?}"),
            Ok(_) => panic!("{:?}", harness.counts()),
        }
    };
    assert!(!failure.message.contains("127.0.0"), "{}", failure.message);
    assert_eq!(harness.counts(), (2, 1, 0));
    assert_eq!(harness.get().await.unwrap().status, 200);
    assert_eq!(harness.counts(), (3, 2, 0));
}

#[tokio::test]
async fn a_retry_and_a_redirect_that_dial_again_are_checked_again() {
    // A gateway's error is retried, and a redirect within the origin is followed. Both need a new connection here.
    for statuses in [&[503][..], &[302]] {
        let harness = Harness::start(&[&[PUBLIC], &[PRIVATE]], statuses).await;
        let failure = harness.get().await.unwrap_err();
        assert_eq!((failure.reason, failure.sent), (OutboundReason::Denied, true), "{statuses:?}: {failure:?}");
        assert_eq!(harness.counts(), (2, 1, 0), "{statuses:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_kept_stays_where_it_is() {
    let harness = Harness::start(&[&[PUBLIC], &[PRIVATE]], &[200, 503, 200, 302, 200, 200]).await;
    for _ in 0..4 {
        assert_eq!(harness.get().await.unwrap().status, 200);
    }
    assert_eq!(harness.counts(), (1, 1, 0));
}

#[tokio::test]
async fn of_a_mixed_answer_nothing_is_dialled() {
    for answer in [[PUBLIC, PRIVATE], [PRIVATE, PUBLIC]] {
        let harness = Harness::start(&[&answer], &[200]).await;
        let failure = harness.get().await.unwrap_err();
        assert_eq!((failure.reason, failure.sent), (OutboundReason::Denied, false), "{failure:?}");
        assert_eq!(harness.counts(), (1, 0, 0));
    }
}
