//! The real binary as `resly demo`, for tests in other languages.

use std::{
    io::{self, BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::host::{binary, master_key, share_compiled};

/// A demo host. Dropping it ends the host.
pub struct Demo {
    child: Child,
    /// `{"url", "api_key", "admin_key", "console_url"}`.
    ready: Value,
    _data: tempfile::TempDir,
}

impl Demo {
    /// # Errors
    /// When the binary isn't built (`make test` builds it), or when it doesn't print its address.
    pub fn start() -> io::Result<Self> {
        let data = tempfile::tempdir()?;
        share_compiled(data.path());
        let mut child = Command::new(binary())
            .args(["demo", "--listen", "127.0.0.1:0", "--data"])
            .arg(data.path())
            .env("RESLY_MASTER_KEY", master_key())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or_else(|| io::Error::other("its output isn't piped"))?;
        BufReader::new(out).read_line(&mut line)?;
        Ok(Self { child, ready: serde_json::from_str(&line)?, _data: data })
    }

    pub fn url(&self) -> &str {
        self.said("url")
    }

    fn said(&self, member: &str) -> &str {
        self.ready[member].as_str().unwrap_or_default()
    }

    /// A command that gets the host's address and keys in `RESLY_URL`, `RESLY_KEY` and `RESLY_ADMIN_KEY`, and the console's
    /// one-time sign-in link in `RESLY_CONSOLE_URL`.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("RESLY_URL", self.url())
            .env("RESLY_KEY", self.said("api_key"))
            .env("RESLY_ADMIN_KEY", self.said("admin_key"))
            .env("RESLY_CONSOLE_URL", self.said("console_url"));
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
