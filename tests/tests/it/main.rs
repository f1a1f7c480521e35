//! The end-to-end suites, through the production router over loopback. A file that isn't named here is an orphan, and
//! `no_orphans` says so.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod admin_requests;
mod ai_sdk;
mod approvals;
mod backups;
mod bad_input;
mod billing;
mod bombs;
mod browser;
mod bundled;
mod canaries;
mod chat;
mod company_attackers;
mod company_sign_in;
mod confirmations;
mod connectors;
mod console;
mod console_billing;
mod console_connections;
mod console_connectors;
mod console_custom;
mod console_deploy;
mod console_inbox;
mod console_knowledge;
mod console_routes;
mod crashes;
mod crawls;
mod customers;
mod databases;
mod declarative;
mod definitions;
mod deletions;
mod deployment;
mod documented;
mod edge;
mod environments;
mod fuel;
mod health;
mod histories;
mod hostile_sites;
mod in_force;
mod inbox;
mod injections;
mod internal;
mod keys;
mod knowledge_import;
mod large_bodies;
mod lists;
mod logs;
mod mails;
mod mappings;
mod members;
mod metering;
mod metrics;
mod model_faults;
mod model_rounds;
mod model_tokens;
mod modules;
mod oauth;
mod oauth_answers;
mod object_store;
mod once;
mod openapi;
mod operator;
mod overload;
mod pages;
mod panics;
mod plain_words;
mod plans;
mod proxies;
mod rates;
mod read_only;
mod readiness;
mod real_binary;
mod reasons;
mod refusals;
mod released;
mod rest;
mod rest_incremental;
mod rest_isolation;
mod retrieval;
mod rolling;
mod routes;
mod saved_pages;
mod several_hosts;
mod slow_sites;
mod source_files;
mod source_pages;
mod sources;
mod structure;
mod telemetry;
mod token_estimates;
mod typed_client;
mod uploads;
mod vault;
mod vault_command;
mod vendor_accounts;
mod versions;
mod visitors;
mod webhooks;

#[test]
fn no_orphans() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let named = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(module == "main" || named.contains(&format!("mod {module};")), "{name} is not part of the suite");
    }
}
