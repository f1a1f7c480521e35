//! TLS to PostgreSQL: only the right CA and the right name will do, and what is refused says what to do.

use std::net::TcpListener;

use resly_store::{OpenError, Store, StoreConfig};

use crate::{backend::Backend, postgres};

/// Makes a CA with a certificate for `localhost`, a cluster that speaks TLS alone, and another CA. Prints the folder.
const WATCH: &str = r#"
set -eu
bin=$1
port=$2
dir=$(mktemp -d /tmp/resly-tls-XXXXXX)
end() { "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"; }
trap end EXIT
ca() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \
        -keyout "$dir/$1.key" -out "$dir/$1.pem"
}
{
    ca right
    ca wrong
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=localhost" \
        -keyout "$dir/server.key" -out "$dir/server.csr"
    printf 'subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n' >"$dir/extensions"
    openssl x509 -req -in "$dir/server.csr" -CA "$dir/right.pem" -CAkey "$dir/right.key" -CAcreateserial -days 2 \
        -extfile "$dir/extensions" -out "$dir/server.pem"
} >"$dir/openssl.log" 2>&1 || { cat "$dir/openssl.log" >&2; exit 1; }
"$bin/initdb" -D "$dir/data" -U resly -A trust -E UTF8 --locale=C --no-sync >"$dir/initdb.log" 2>&1
echo "hostssl all all all trust" >"$dir/data/pg_hba.conf"
"$bin/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/server.log" start -o \
    "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories='' -c fsync=off -c ssl=on \
     -c ssl_cert_file='$dir/server.pem' -c ssl_key_file='$dir/server.key'" >/dev/null 2>&1 </dev/null \
    || { cat "$dir/server.log" >&2; exit 1; }
echo "$dir"
while read -r _; do :; done
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_trusted_by_its_ca_and_its_name() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let start = move || postgres::watch(WATCH, &[&postgres::binaries(), &port.to_string()]);
    let folder = tokio::task::spawn_blocking(start).await.unwrap();
    let backend = Backend::sqlite();
    let open = async |host: &str, parameters: &str| {
        let database_url = Some(format!("postgres://resly@{host}:{port}/postgres?{parameters}"));
        Store::open(&StoreConfig { database_url, ..backend.config() }).await
    };
    let verified = |ca: &str| format!("sslmode=verify-full&sslrootcert={folder}/{ca}.pem");
    let store = open("localhost", &verified("right")).await.unwrap();
    store.schema().await.unwrap();
    store.close().await;

    for (host, parameters, advice) in [
        ("localhost", verified("wrong"), "sslrootcert"),
        // Without a CA of one's own, those of the web are trusted.
        ("localhost", "sslmode=verify-full".to_owned(), "sslrootcert"),
        ("127.0.0.1", verified("right"), "has to be a name"),
    ] {
        let refused = open(host, &parameters).await.err().unwrap();
        assert!(matches!(&refused, OpenError::Tls { .. }), "{host} {parameters}: {refused:?}");
        assert!(refused.to_string().contains(advice), "{host} {parameters}: {refused}");
    }
    // The name doesn't count here, and the CA does.
    let ca_only = |ca: &str| verified(ca).replace("verify-full", "verify-ca");
    open("127.0.0.1", &ca_only("right")).await.unwrap().close().await;
    assert!(open("127.0.0.1", &ca_only("wrong")).await.is_err());
    let missing = open("localhost", &verified("none")).await.err().unwrap();
    assert!(matches!(missing, OpenError::Tls { .. }) && missing.to_string().contains("can be read"), "{missing}");
    assert!(open("localhost", "sslmode=disable").await.is_err(), "the server takes nothing in the clear");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    let backend = Backend::postgres().await;
    let url = format!("{}&sslmode=require", backend.url().unwrap());
    let refused = Store::open(&StoreConfig { database_url: Some(url), ..backend.config() }).await.err().unwrap();
    assert!(matches!(refused, OpenError::Tls { .. }) && refused.to_string().contains("turn on `ssl`"), "{refused}");
}
