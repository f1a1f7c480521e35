//! The HTTP clients: one for public addresses, behind the address guard; one for hosts that the operator listed; one
//! for hosts that the operator routes elsewhere. A client pools connections by scheme, host and port. Each of the three
//! only gets targets of its own policy, so a request can't use a pooled connection that it couldn't have opened.
//!
//! The clients read no proxies from the environment, follow no redirects, don't retry and don't decode. Egress does
//! what is needed of this itself, within its bounds.

use std::{error::Error, io, sync::Arc, sync::Once, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use reqwest::{Certificate, Client, ClientBuilder, redirect};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::{
    config::{EgressConfig, EgressError},
    policy::{
        exempt::ExemptHost,
        guard::{Guard, Refused},
        resolve::{NotPublic, Resolve, ResolveError, Resolver},
        route::Route,
        target::Target,
    },
};

const POOL_IDLE: Duration = Duration::from_secs(60);
const POOL_PER_HOST: usize = 64;
const HEADER_LIST: u32 = 64 << 10;

/// Which client a target needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// The one behind the address guard.
    Public,
    /// The one without a guard: the operator listed the host.
    Listed,
    /// The one that dials the operator's route.
    Routed(Route),
}

/// Why a target can't be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    #[error("plain http is refused: use https, or have an operator list the host and port in RESLY_EGRESS_ALLOW")]
    PlainHttp,
    #[error("{0} can't be called: only public addresses can, unless an operator lists the host in RESLY_EGRESS_ALLOW")]
    Address(Refused),
}

/// Why a request got no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error(
        "the name does not lead to public addresses alone, and nothing else can be called; an operator can list the \
         host in RESLY_EGRESS_ALLOW"
    )]
    NotPublic,
    #[error("the name could not be resolved; check the host name")]
    ResolveError,
    #[error("no connection could be made in time")]
    ConnectTimeout,
    #[error("the connection failed: {0}")]
    Connect(&'static str),
    #[error("TLS failed: {0}")]
    Tls(String),
    #[error("the service accepted the request and did not answer in time")]
    Silent,
    #[error("the call's time was over before the service answered")]
    Late,
    #[error("the service broke the connection before it answered")]
    Broken,
    #[error("the service's answer is not proper HTTP")]
    Malformed,
    #[error("the request can't be written as HTTP")]
    Unsendable,
}

impl WireError {
    /// Whether the service may have received the request.
    pub fn sent(&self) -> bool {
        matches!(self, Self::Silent | Self::Late | Self::Broken | Self::Malformed)
    }

    /// Whether the error is about the service's health, not about the request or its permission.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::NotPublic | Self::Late | Self::Unsendable)
    }

    /// Whether another attempt may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::ConnectTimeout | Self::Connect(_) | Self::Broken)
    }
}

/// One request as it is sent, with its credential.
pub struct Outgoing {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
}

/// All clients, and the rules that choose between them.
pub struct Clients {
    public: Client,
    /// Built only when the operator lists or routes a host.
    listed: Option<Client>,
    routed: Option<Client>,
    allow: Vec<ExemptHost>,
    routes: Vec<Route>,
    guard: Guard,
    first_byte: Duration,
}

impl Clients {
    pub fn new(config: &EgressConfig, resolver: Arc<dyn Resolve>, guard: Guard) -> Result<Self, EgressError> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // Fails when the program has chosen a provider already; that one is used then.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let build = |resolver: Resolver, adjust: fn(ClientBuilder) -> ClientBuilder| {
            let resolver = Arc::new(resolver);
            let builder = || adjust(base(config)).dns_resolver(Arc::clone(&resolver));
            client(builder, &config.extra_ca_pem)
        };
        let public = build(Resolver::guarded(Arc::clone(&resolver), guard), |builder| builder.https_only(true))?;
        let listed = match config.allow.is_empty() {
            true => None,
            false => Some(build(Resolver::unguarded(Arc::clone(&resolver)), |builder| builder)?),
        };
        let routed = match config.routes.is_empty() {
            true => None,
            // HTTP/2 has no `Host` header that could differ from the dialled authority.
            false => Some(build(Resolver::unguarded(resolver), ClientBuilder::http1_only)?),
        };
        let (allow, routes) = (config.allow.clone(), config.routes.clone());
        Ok(Self { public, listed, routed, allow, routes, guard, first_byte: config.first_byte_timeout })
    }

    /// Chooses how a target is reached, without resolving its name.
    pub fn transport(&self, target: &Target) -> Result<Transport, TransportError> {
        let (host, port) = (target.host(), target.port());
        let listed = self.allow.iter().any(|allowed| allowed.covers(&host, port));
        if !target.is_https() && !listed {
            return Err(TransportError::PlainHttp);
        }
        if let Some(route) = self.routes.iter().find(|route| route.covers(&host, port)) {
            return Ok(Transport::Routed(route.clone()));
        }
        if listed {
            return Ok(Transport::Listed);
        }
        // The client's resolver isn't asked about literal addresses, so they are checked here.
        match target.literal() {
            Some(address) => (self.guard)(address).map(|()| Transport::Public).map_err(TransportError::Address),
            None => Ok(Transport::Public),
        }
    }

    /// Sends one request. Returns when the head of the response has arrived.
    pub async fn send(
        &self,
        way: &Transport,
        outgoing: Outgoing,
        until: Instant,
    ) -> Result<reqwest::Response, WireError> {
        let Outgoing { method, url, mut headers, body } = outgoing;
        let (client, url) = match way {
            Transport::Public => (Some(&self.public), url),
            Transport::Listed => (self.listed.as_ref(), url),
            Transport::Routed(route) => {
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                let asked = format!("{}{port}", url.host_str().unwrap_or_default());
                headers.insert(header::HOST, HeaderValue::from_str(&asked).map_err(|_| WireError::Unsendable)?);
                (self.routed.as_ref(), route.rewrite(&url))
            }
        };
        let client = client.ok_or(WireError::Unsendable)?;
        let with_body = matches!(method, Method::POST | Method::PUT | Method::PATCH);
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        // An empty body sends a length of 0, which some services require.
        if let Some(body) = body.or_else(|| with_body.then(Bytes::new)) {
            *request.body_mut() = Some(body.into());
        }
        let silent = Instant::now() + self.first_byte;
        match timeout_at(silent.min(until), client.execute(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(classify(&error)),
            Err(_) if until <= silent => Err(WireError::Late),
            Err(_) => Err(WireError::Silent),
        }
    }
}

/// The settings that all clients share.
fn base(config: &EgressConfig) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("Resly/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .connect_timeout(config.connect_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(POOL_PER_HOST)
        .http2_max_header_list_size(HEADER_LIST)
}

fn client(builder: impl Fn() -> ClientBuilder, extra_ca_pem: &[u8]) -> Result<Client, EgressError> {
    let extra = if extra_ca_pem.is_empty() {
        Vec::new()
    } else {
        let extra = Certificate::from_pem_bundle(extra_ca_pem).map_err(|error| EgressError::Ca(reasons(&error)))?;
        if extra.is_empty() {
            return Err(EgressError::Ca("there is none in it".to_owned()));
        }
        extra
    };
    let without = match builder().tls_certs_merge(extra.clone()).build() {
        Ok(client) => return Ok(client),
        Err(error) => reasons(&error),
    };
    // Without certificate authorities the host can still serve everything but https services.
    let given = !extra.is_empty();
    match builder().tls_certs_only(extra).build() {
        Ok(client) => {
            tracing::warn!(
                error = without,
                "the system has no certificate authorities, so https services can't be called beyond those that \
                 RESLY_EGRESS_CA vouches for; install ca-certificates"
            );
            Ok(client)
        }
        Err(error) if given => Err(EgressError::Ca(reasons(&error))),
        Err(error) => Err(EgressError::Client(reasons(&error))),
    }
}

/// An error and all its causes. `source` doesn't return the cause inside an `io::Error`, so it is read separately.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| beneath(*error))
}

fn beneath<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn reasons(error: &(dyn Error + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Classifies an error. The result holds neither the URL, which may carry a key, nor an address.
fn classify(error: &reqwest::Error) -> WireError {
    for cause in causes(error) {
        if cause.is::<NotPublic>() {
            return WireError::NotPublic;
        }
        if cause.is::<ResolveError>() {
            return WireError::ResolveError;
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return WireError::Tls(tls.to_string());
        }
    }
    let kind = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    if error.is_connect() {
        return match kind {
            _ if error.is_timeout() => WireError::ConnectTimeout,
            Some(io::ErrorKind::TimedOut) => WireError::ConnectTimeout,
            Some(io::ErrorKind::ConnectionRefused) => WireError::Connect("it was refused; is the service up?"),
            Some(io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe) => {
                WireError::Connect("the service closed it at once")
            }
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                WireError::Connect("the network does not reach the service")
            }
            _ => WireError::Connect("the service could not be reached"),
        };
    }
    if error.is_builder() {
        return WireError::Unsendable;
    }
    let odd = ["invalid HTTP", "head is too large", "invalid content-length", "frame with invalid size"];
    let parse = causes(error).any(|cause| odd.iter().any(|odd| cause.to_string().contains(odd)));
    if parse { WireError::Malformed } else { WireError::Broken }
}
