//! What npm has in place of a company's servers: a provider of OpenID Connect and a mail server (`tests/identity`).
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "this is test code in a library's place")]

use std::{path::Path, process::Stdio};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// A running script. Dropping it ends it.
pub struct Script {
    _child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Script {
    /// Starts a script of the folder with these variables.
    pub fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/identity");
        assert!(
            Path::new(folder).join("node_modules/oidc-provider").exists(),
            "the servers aren't installed: run `make node`, which installs them"
        );
        let mut child = Command::new("node")
            .arg(name)
            .current_dir(folder)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("node is installed");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { _child: child, input, lines: BufReader::new(output).lines() }
    }

    /// The next line that it prints.
    pub async fn line(&mut self) -> String {
        self.lines.next_line().await.unwrap().expect("the script goes on")
    }

    pub async fn tell(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The next mail that the mail server has taken.
    pub async fn mail(&mut self) -> Value {
        serde_json::from_str(&self.line().await).unwrap()
    }
}
