//! `resly db backup` beside a serving host, and `resly db restore`.

use std::path::Path;

use resly_tests::model::ScriptedModel;
use serde_json::{Value, json};

use super::real_binary::{ask, client, demo, run};

/// A message as a host has it stored.
async fn stored(url: &str, admin: &str, message: &str) -> Value {
    let request = client().get(format!("{url}/api/messages/{message}")).bearer_auth(admin);
    request.send().await.unwrap().json().await.unwrap()
}

async fn backup(data: &Path, to: &Path, flags: &[&str]) -> (bool, Value, String) {
    let arguments = ["db", "backup", "--to", to.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let (ok, out, said) = run(&[&arguments, flags].concat(), &[]).await;
    (ok, serde_json::from_str(&out).unwrap_or_default(), said)
}

async fn restore(from: &Path, data: &Path, flags: &[&str]) -> (bool, Value, String) {
    let arguments = ["db", "restore", "--from", from.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let (ok, out, said) = run(&[&arguments, flags].concat(), &[]).await;
    (ok, serde_json::from_str(&out).unwrap_or_default(), said)
}

#[tokio::test]
async fn a_backup_of_a_serving_host_is_another_host_once_it_is_restored() {
    let (data, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let model = ScriptedModel::start().await.unwrap();
    let mut first = demo(data.path(), Some(&model)).await;
    let answer = first.chat(&ask("Hi")).send().await.unwrap();
    let message = answer.headers()["x-message-id"].to_str().unwrap().to_owned();
    assert_eq!(answer.text().await.unwrap(), "ok");

    // Without the master key, and it says so.
    let file = kept.path().join("plain");
    let (ok, line, said) = backup(data.path(), &file, &[]).await;
    assert!(ok && said.contains("the master key is not in it"), "{said}");
    assert_eq!(
        (&line["master_key"], line["bytes"].as_u64()),
        (&Value::Null, Some(std::fs::metadata(&file).unwrap().len()))
    );
    let bytes = std::fs::read(&file).unwrap();
    let master = std::fs::read_to_string(data.path().join("master.key")).unwrap();
    let master = master.trim().split_once(':').unwrap().1.to_owned();
    for secret in [&master, &first.key, &first.admin] {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "a secret is in the backup in the clear");
    }

    // With it.
    let file = kept.path().join("whole");
    let (ok, _, said) = backup(data.path(), &file, &["--with-keys"]).await;
    assert!(ok && said.contains("whole.master.key"), "{said}");
    let (ok, _, said) = restore(&file, data.path(), &["--force"]).await;
    assert!(!ok && said.contains("another process is using"), "{said}");
    assert_eq!(first.chat(&ask("Hi")).send().await.unwrap().status(), 200, "the host goes on");
    first.child.kill().await.unwrap();

    let other = tempfile::tempdir().unwrap();
    let (ok, line, said) = restore(&file, &other.path().join("data"), &[]).await;
    assert!(ok, "{said}");
    assert_eq!((&line["master_key"], &line["schema"]), (&json!(true), &line["newest_schema"]));
    let second = demo(&other.path().join("data"), Some(&model)).await;
    let found = stored(&second.url, &second.admin, &message).await;
    assert_eq!((&found["content"], &found["status"]), (&json!("ok"), &json!("complete")), "{found}");
    let old_key = client().get(format!("{}/api/messages/{message}", second.url)).bearer_auth(&first.admin);
    assert_eq!(old_key.send().await.unwrap().status(), 200, "keys go on to work");
}

#[tokio::test]
async fn a_restore_does_not_throw_a_master_key_away() {
    let (data, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = data.path().to_str().unwrap();
    let (ok, _, said) = run(&["init", "--organization", "Acme", "--data", folder], &[]).await;
    assert!(ok, "{said}");
    let file = kept.path().join("whole");
    assert!(backup(data.path(), &file, &["--with-keys"]).await.0);
    let other = "k1:another key, which opens something else\n";
    std::fs::write(data.path().join("master.key"), other).unwrap();
    let (ok, _, said) = restore(&file, data.path(), &["--force"]).await;
    assert!(!ok && said.contains("are different keys"), "{said}");
    assert_eq!(std::fs::read_to_string(data.path().join("master.key")).unwrap(), other);

    // A key that is given by the settings isn't in the folder to be copied.
    std::fs::remove_file(data.path().join("master.key")).unwrap();
    let (ok, _, said) = backup(data.path(), &kept.path().join("none"), &["--with-keys"]).await;
    assert!(!ok && said.contains("RESLY_MASTER_KEY"), "{said}");
    assert!(!kept.path().join("none").exists());
    let (ok, _, said) = restore(&kept.path().join("whole"), &kept.path().join("new"), &[]).await;
    assert!(ok, "{said}");
    std::fs::remove_file(kept.path().join("whole.master.key")).unwrap();
    let (ok, line, said) = restore(&kept.path().join("whole"), &kept.path().join("keyless"), &[]).await;
    assert!(ok && said.contains("the master key of that time is missing") && line["master_key"] == false, "{said}");
}
