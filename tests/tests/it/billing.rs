//! The operator's biller changes subscriptions, with events that Stripe's own library signs.

use std::process::Stdio;

use resly_tests::app::TestApp;
use tokio::process::Command;

const SECRET: &str = "whsec_the_secret_of_this_endpoint";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_stripe_signs_change_subscriptions() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/billing");
    let modules = format!("{folder}/node_modules/stripe");
    assert!(
        std::path::Path::new(&modules).exists(),
        "Stripe's library is not installed: run `make test`, which installs it"
    );
    let app = TestApp::with_settings(&[("RESLY_BILLING_WEBHOOK_SECRET", SECRET)]).await;
    let output = Command::new("node")
        .args(["--test"])
        .current_dir(folder)
        .env("RESLY_URL", app.url(""))
        .env("RESLY_ADMIN_KEY", &app.admin)
        .env("RESLY_BILLING_WEBHOOK_SECRET", SECRET)
        .env("RESLY_NOW_S", (app.api().app.clock.now().micros() / 1_000_000).to_string())
        .stdin(Stdio::null())
        .output()
        .await
        .expect("node is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_host_without_a_biller_s_secret_takes_no_events() {
    let app = TestApp::start().await;
    let response = app.client.post(app.url("/api/operator/billing/events")).body("{}").send().await.unwrap();
    assert_eq!(response.status(), 404);
    let problem: serde_json::Value = response.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("RESLY_BILLING_WEBHOOK_SECRET"), "{problem}");
}
