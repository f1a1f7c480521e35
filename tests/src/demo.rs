//! The real binary as `resly demo` or `resly serve`, for tests in other languages.

use std::{
    io::{self, BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::host::{binary, master_key, share_compiled};

/// A demo host, or one without an organization. Dropping it ends the host.
pub struct Demo {
    child: Child,
    /// `{"url", "api_key", "admin_key", "console_url"}`. A host without an organization has its address alone.
    ready: Value,
    data: tempfile::TempDir,
}

/// The binary with these arguments, on a data folder.
fn resly(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).arg("--data").arg(data).env("RESLY_MASTER_KEY", master_key());
    command
}

impl Demo {
    /// # Errors
    /// When the binary isn't built (`make test` builds it), or when it doesn't print its address.
    pub fn start() -> io::Result<Self> {
        let data = tempfile::tempdir()?;
        share_compiled(data.path());
        let mut command = resly(data.path(), &["demo", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or_else(|| io::Error::other("its output isn't piped"))?;
        BufReader::new(out).read_line(&mut line)?;
        Ok(Self { child, ready: serde_json::from_str(&line)?, data })
    }

    /// A host for organizations that the test makes, by the commands that an operator has.
    ///
    /// # Errors
    /// When the binary isn't built (`make test` builds it), or when it doesn't print its address.
    pub fn without_organization() -> io::Result<Self> {
        let data = tempfile::tempdir()?;
        share_compiled(data.path());
        let mut command = resly(data.path(), &["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let log = child.stderr.take().ok_or_else(|| io::Error::other("its log isn't piped"))?;
        let mut lines = BufReader::new(log).lines();
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("listening url=")?;
            Some(rest.split_whitespace().next()?.trim_end_matches('/').to_owned())
        });
        let url = url.ok_or_else(|| io::Error::other("the host doesn't say where it listens"))?;
        // A pipe that nobody reads would stop the host.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(Self { child, ready: json!({ "url": url }), data })
    }

    pub fn url(&self) -> &str {
        self.said("url")
    }

    fn said(&self, member: &str) -> &str {
        self.ready[member].as_str().unwrap_or_default()
    }

    /// A command that gets the host's address and keys in `RESLY_URL`, `RESLY_KEY` and `RESLY_ADMIN_KEY`, and the console's
    /// one-time sign-in link in `RESLY_CONSOLE_URL`. What an operator needs for commands on the host is in `RESLY_BINARY`,
    /// `RESLY_DATA` and `RESLY_MASTER_KEY`.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("RESLY_URL", self.url())
            .env("RESLY_KEY", self.said("api_key"))
            .env("RESLY_ADMIN_KEY", self.said("admin_key"))
            .env("RESLY_CONSOLE_URL", self.said("console_url"))
            .env("RESLY_BINARY", binary())
            .env("RESLY_DATA", self.data.path())
            .env("RESLY_MASTER_KEY", master_key());
        command
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
