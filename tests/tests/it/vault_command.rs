//! `resly vault`, and the master keys with which production starts.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Output, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use resly_tests::host::{Running, binary};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::vault::master;

/// The binary on a folder, with nothing of this process's environment that it could take for a setting.
fn resly(data: &Path, master: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).arg("--data").arg(data).env("RESLY_MASTER_KEY", master).current_dir(data);
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

fn told(output: &Output) -> (Value, String) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (serde_json::from_slice(&output.stdout).unwrap_or_default(), text)
}

#[tokio::test]
async fn the_command_line_rotates_beside_a_running_host_and_without_one() {
    let data = tempfile::tempdir().unwrap();
    let (old, middle, new) = (master("old"), master("middle"), master("new"));
    let init = resly(data.path(), &old, &["init", "--organization", "Acme"]).output().await.unwrap();
    let made = told(&init).0;
    let key = made["admin_key"].as_str().expect("the binary is built by `make test`");

    let both = format!("{middle},{old}");
    let mut serving = resly(data.path(), &both, &["serve", "--listen", "127.0.0.1:0"]);
    let mut serving = serving.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(serving.stderr.take().unwrap()).lines();
    let listen = loop {
        let line = lines.next_line().await.unwrap().expect("it says where it listens");
        if let Some((_, url)) = line.split_once("url=http://") {
            break url.split(['/', ' ']).next().unwrap().to_owned();
        }
    };
    let locked = resly(data.path(), &both, &["vault", "rotate"]).output().await.unwrap();
    assert!(!locked.status.success() && told(&locked).1.contains("RESLY_OPERATOR_KEY"), "{}", told(&locked).1);
    let asked = |key: &str| {
        let mut command = resly(data.path(), &both, &["vault", "rotate", "--listen", &listen]);
        command.env("RESLY_OPERATOR_KEY", key).output()
    };
    let stranger = asked("rsk_live_nobody").await.unwrap();
    assert!(!stranger.status.success() && told(&stranger).1.contains("401"), "{}", told(&stranger).1);
    let (rotated, said) = told(&asked(key).await.unwrap());
    assert_eq!((&rotated["done"], &rotated["removable"]), (&json!(true), &json!(["old"])), "{rotated} {said}");
    assert!(said.contains("nothing needs `old` any more"), "{said}");
    serving.kill().await.unwrap();

    let partly = resly(data.path(), &format!("{new},{old}"), &["vault", "rotate"]).output().await.unwrap();
    assert!(!partly.status.success() && told(&partly).1.contains("`middle`"), "{}", told(&partly).1);
    let moved = resly(data.path(), &format!("{new},{middle}"), &["vault", "rotate"]).output().await.unwrap();
    assert!(moved.status.success(), "{}", told(&moved).1);
    assert_eq!(told(&moved).0["removable"], json!(["middle"]));
    let status = resly(data.path(), &new, &["vault", "status"]).output().await.unwrap();
    assert_eq!((&told(&status).0["done"], &told(&status).0["in_use"]), (&json!(true), &json!({"new": 1})));
}

#[tokio::test]
async fn production_starts_with_a_good_key_only_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let good = master("k1");
    let of = |bytes: &[u8]| format!("k1:{}", STANDARD.encode(bytes));
    let (readable, kept) = (file("readable", &good, 0o644), file("kept", &good, 0o600));
    let weak = file("weak", &of(b"changeme changeme changeme 12345"), 0o600);
    let sample = "k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=".to_owned();
    let cases = [
        (vec![], "openssl rand"),
        (vec![("RESLY_MASTER_KEY", of(&[7, 8, 9, 1, 2, 3, 4, 5]))], "has 8 bytes and needs 32"),
        (vec![("RESLY_MASTER_KEY", sample.clone())], "is a sample"),
        (vec![("RESLY_MASTER_KEY", of(&[0; 32]))], "is a sample"),
        (vec![("RESLY_MASTER_KEY", of(&[1, 9, 7, 3].repeat(8)))], "a short pattern"),
        (vec![("RESLY_MASTER_KEY", of(b"correct horse battery staple 123"))], "the base64 of a text"),
        (vec![("RESLY_MASTER_KEY", format!("{},{sample}", master("k2")))], "`k1` is a sample"),
        (vec![("RESLY_MASTER_KEY_FILE", weak)], "is a short pattern, repeated|the base64 of a text"),
        (vec![("RESLY_MASTER_KEY_FILE", readable)], "chmod 600"),
        (vec![("RESLY_MASTER_KEY_FILE", folder.path().join("gone").display().to_string())], "can't be read"),
        // A PostgreSQL store means production. The key is looked at before anything is connected to.
        (
            vec![("RESLY_DATABASE_URL", "postgres://nobody@127.0.0.1:1/none".to_owned()), ("RESLY_MASTER_KEY", sample)],
            "is a sample",
        ),
    ];
    let data = tempfile::tempdir().unwrap();
    let start = async |mut settings: Vec<(&'static str, String)>| {
        if settings.iter().all(|(name, _)| *name != "RESLY_DATABASE_URL") {
            settings.push(("RESLY_PRODUCTION", "1".to_owned()));
        }
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Running::start(data.path(), &settings).await.map_err(|error| error.to_string())
    };
    for (settings, expected) in cases {
        let refused = start(settings.clone()).await.err().expect("it was taken");
        assert!(expected.split('|').any(|expected| refused.contains(expected)), "{refused}");
        for (_, value) in settings.iter().filter(|(name, _)| *name == "RESLY_MASTER_KEY") {
            let text = value.split(':').next_back().unwrap();
            assert!(!refused.contains(text), "{refused}");
        }
    }
    assert!(!data.path().join("master.key").exists(), "production makes no key");
    for settings in [vec![("RESLY_MASTER_KEY", good)], vec![("RESLY_MASTER_KEY_FILE", kept)]] {
        start(settings).await.unwrap().stop().await;
    }
}
