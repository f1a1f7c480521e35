//! Shared by the end-to-end suites and the benchmarks: a scripted language model, a scripted service, and the host in
//! process.

pub mod accounts;
pub mod app;
pub mod bombs;
pub mod browser;
pub mod canary;
pub mod clock;
pub mod collector;
pub mod console;
pub mod crm;
pub mod demo;
pub mod documents;
pub mod guest;
pub mod helpdesk;
pub mod host;
pub mod identity;
pub mod load;
pub mod mail_server;
pub mod mirror;
pub mod model;
pub mod oauth;
pub mod oidc;
pub mod outage;
#[path = "../../host/store/tests/contract/postgres.rs"]
#[expect(clippy::unwrap_used, clippy::expect_used, reason = "this is test code in a library's place")]
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod relay;
pub mod retrieval;
pub mod s3;
pub mod service;
pub mod site;
pub mod soak;
pub mod wire;
