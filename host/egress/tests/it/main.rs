//! Egress against services on loopback, with names resolved by the test.

mod bodies;
mod credentials;
mod policy;
mod redirects;
mod resilience;
mod routes;
mod support;
mod tls;
