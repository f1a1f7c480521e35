//! The edge: from an accepted TCP connection to a request that the router may see, and back.
//!
//! - [`connection_limiter`] counts connections and decides which are served.
//! - [`connection`] serves one connection: it finds out the protocol's version, drives hyper and ends what is overdue.
//! - [`activity`] tracks what a connection is doing, and when it is overdue.
//! - [`io`] is the socket as hyper sees it.
//! - [`head`] reads the heads of HTTP/1 requests to find framing that hyper hides.
//! - [`exchange`] is one request and its response: it refuses malformed requests and counts both bodies.

pub mod activity;
pub mod connection;
pub mod connection_limiter;
pub mod descriptors;
pub mod exchange;
pub mod head;
pub mod io;

use std::time::Duration;

use ipnet::IpNet;

/// The limits of connections.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections in total. The open files that the process may have can lower it.
    pub connections: usize,
    /// Open connections of one client address (a /64 of IPv6).
    pub connections_per_address: usize,
    /// From a connection's start, or a request's first byte, to the end of the request's head.
    pub head_time: Duration,
    /// How long a connection may do nothing between requests, and how long a client may leave an answer unread.
    pub idle_time: Duration,
    /// Proxies that open connections for many clients. The limit for each address doesn't apply to them.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 1_024,
            head_time: Duration::from_secs(10),
            // Longer than common proxies keep an idle connection (nginx and AWS: 60 s), so that they close it first.
            idle_time: Duration::from_secs(75),
            trusted_proxies: Vec::new(),
        }
    }
}
