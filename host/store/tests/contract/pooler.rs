//! PgBouncer before the tests' cluster, with a server for each transaction: what a session keeps is gone with the next one.

use std::{path::Path, sync::OnceLock};

use crate::postgres;

/// Prints a word once the pooler answers, then waits for its input to end. Two servers for each database are enough to hand a
/// transaction another one, and few enough for all tests at once.
const WATCH: &str = r#"
set -eu
bin=$1
cluster=$2
dir=$(mktemp -d /tmp/resly-pooler-XXXXXX)
cat >"$dir/pgbouncer.ini" <<END
[databases]
* = host=$cluster port=5432 user=resly
[pgbouncer]
pool_mode = transaction
auth_type = any
unix_socket_dir = $cluster
listen_port = 6432
logfile = $dir/log
default_pool_size = 8
max_client_conn = 4000
server_idle_timeout = 5
server_round_robin = 1
END
"$bin" -q "$dir/pgbouncer.ini" >"$dir/said" 2>&1 </dev/null &
pooler=$!
end() { kill "$pooler" 2>/dev/null || true; rm -rf "$dir"; }
trap end EXIT
tries=0
until [ -S "$cluster/.s.PGSQL.6432" ]; do
    tries=$((tries + 1))
    { [ "$tries" -lt 100 ] && kill -0 "$pooler" 2>/dev/null; } || { cat "$dir/said" "$dir/log" >&2; exit 1; }
    sleep 0.1
done
echo started
while read -r _; do :; done
"#;

/// The URL of a database of the cluster, through the pooler.
pub async fn url(direct: &str) -> String {
    static STARTED: OnceLock<String> = OnceLock::new();
    let started = || {
        // Debian has it where a user's path doesn't lead.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut found = path.split(':').map(|folder| format!("{folder}/pgbouncer"));
        let bin = found.find(|file| Path::new(file).exists());
        let bin = bin.expect("the store's tests need PgBouncer; on Debian: apt-get install pgbouncer");
        postgres::watch(WATCH, &[&bin, postgres::cluster()])
    };
    tokio::task::spawn_blocking(move || STARTED.get_or_init(started)).await.unwrap();
    direct.replace("@localhost/", "@localhost:6432/")
}
