//! Egress against services on loopback, with names resolved by the test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops where it is")]

mod accounts;
mod any_url;
mod blocks;
mod bodies;
mod credentials;
mod differentials;
mod hostile;
mod injection;
mod notations;
mod policy;
mod redirects;
mod resilience;
mod routes;
mod support;
mod tls;
