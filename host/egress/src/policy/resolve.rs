//! Resolves names and checks the addresses. A client dials exactly the addresses that were checked, because the result
//! goes from here directly to its connector.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolving};

use super::guard::Guard;

/// Resolves a host name.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// A name resolves to an address that isn't public. The error holds neither the address nor its kind: these are for the
/// operator, in the log.
#[derive(Debug, thiserror::Error)]
#[error("the name does not resolve to public addresses alone")]
pub(crate) struct NotPublic;

/// A name has no address.
#[derive(Debug, thiserror::Error)]
#[error("the name could not be resolved")]
pub(crate) struct ResolveError;

/// The resolver of a reqwest client.
pub(crate) struct Resolver {
    inner: Arc<dyn Resolve>,
    guard: Option<Guard>,
}

impl Resolver {
    /// Refuses a name when any of its addresses isn't public. Using only the public ones would be as safe, but such a
    /// mixture is an attack or a mistake that the admin should know about.
    pub fn guarded(inner: Arc<dyn Resolve>, guard: Guard) -> Self {
        Self { inner, guard: Some(guard) }
    }

    /// For hosts that the operator has listed.
    pub fn unguarded(inner: Arc<dyn Resolve>) -> Self {
        Self { inner, guard: None }
    }
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let inner = Arc::clone(&self.inner);
        let guard = self.guard;
        Box::pin(async move {
            let addresses = match inner.resolve(name.as_str()).await {
                Ok(addresses) if !addresses.is_empty() => addresses,
                Ok(_) => return Err(ResolveError.into()),
                Err(error) => {
                    tracing::debug!(name = name.as_str(), %error, "not resolved");
                    return Err(ResolveError.into());
                }
            };
            if let Some(guard) = guard {
                let refused = addresses.iter().find_map(|address| Some((*address, guard(*address).err()?)));
                if let Some((address, kind)) = refused {
                    tracing::warn!(name = name.as_str(), %address, %kind, "egress refused");
                    return Err(NotPublic.into());
                }
            }
            // Port 0 means that the client uses the URL's port.
            Ok(Box::new(addresses.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use reqwest::dns::Resolve as _;

    use super::{super::guard, *};

    /// Answers differently each time it is asked.
    struct Rebinding(AtomicUsize, Vec<Vec<&'static str>>);

    #[async_trait]
    impl Resolve for Rebinding {
        async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
            let n = self.0.fetch_add(1, Ordering::Relaxed);
            Ok(self.1[n].iter().map(|text| text.parse().unwrap()).collect())
        }
    }

    async fn ask(resolver: &Resolver) -> Result<Vec<String>, String> {
        let answer = resolver.resolve("x.example".parse().unwrap()).await;
        answer.map(|found| found.map(|a| a.ip().to_string()).collect()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn the_addresses_that_were_checked_are_the_ones_handed_on() {
        let inner = Arc::new(Rebinding(AtomicUsize::new(0), vec![vec!["1.1.1.1", "2606:4700::1"], vec!["127.0.0.1"]]));
        let resolver = Resolver::guarded(inner.clone(), guard::check);
        assert_eq!(ask(&resolver).await.unwrap(), ["1.1.1.1", "2606:4700::1"]);
        assert_eq!(inner.0.load(Ordering::Relaxed), 1, "asked once, not again for the dial");
        assert!(ask(&resolver).await.is_err());
    }

    #[tokio::test]
    async fn one_private_address_among_public_ones_spoils_the_name() {
        let answers = vec![vec!["1.1.1.1", "10.0.0.1"], vec!["::ffff:1.1.1.1"], vec![]];
        let resolver = Resolver::guarded(Arc::new(Rebinding(AtomicUsize::new(0), answers)), guard::check);
        for _ in 0..3 {
            let error = ask(&resolver).await.unwrap_err();
            assert!(!error.contains("10.0"), "{error}");
        }
    }
}
