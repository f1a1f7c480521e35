//! A bucket whose server answers as servers do on bad days: what becomes of it, and what is told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use axum::{
    Router,
    body::Bytes,
    http::{StatusCode, header::ETAG},
};
use resly_core::object::{ObjectContent, ObjectError, ObjectStore};
use resly_objects::{Bounds, Bucket, BucketConfig};
use tokio::net::TcpListener;

const SECRET: &str = "the-secret-access-key";

/// A server that answers each request like this.
async fn server(answer: fn() -> (StatusCode, &'static str)) -> Bucket {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(move |_: Bytes| async move {
        let (status, body) = answer();
        (status, [(ETAG, "\"1\"")], body)
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    bucket(&url)
}

fn bucket(url: &str) -> Bucket {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "the-access-key"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL", url),
    ];
    let found = |name: &str| variables.iter().find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned());
    let config = BucketConfig::read("s3://acme/resly", &found).unwrap();
    let bounds = Bounds { idle: Duration::from_millis(200), attempts: 0, ..Bounds::default() };
    Bucket::new(&config, bounds).unwrap()
}

async fn get(bucket: &Bucket) -> ObjectError {
    bucket.get("a/b", ObjectContent::of(b"code")).await.unwrap_err()
}

#[tokio::test]
async fn an_error_tells_the_code_of_the_server_and_no_more() {
    let refusing = server(|| {
        (
            StatusCode::FORBIDDEN,
            "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>the-access-key</StringToSign></Error>",
        )
    })
    .await;
    let error = get(&refusing).await;
    assert!(matches!(error, ObjectError::Refused { .. }) && error.is_passing(), "{error}");
    let told = error.to_string();
    assert!(told.contains("s3://acme/resly") && told.contains("SignatureDoesNotMatch"), "{told}");
    assert!(!told.contains("the-access-key") && !told.contains(SECRET), "{told}");
    assert!(matches!(refusing.check().await, Err(ObjectError::Refused { .. })));
}

#[tokio::test]
async fn a_missing_object_is_no_missing_bucket() {
    let without = server(|| (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>")).await;
    let error = get(&without).await;
    assert!(matches!(error, ObjectError::Missing { .. }) && !error.is_passing(), "{error}");
    without.delete("a/b").await.unwrap();
    let nowhere = server(|| (StatusCode::NOT_FOUND, "<Error><Code>NoSuchBucket</Code></Error>")).await;
    let error = get(&nowhere).await;
    assert!(matches!(error, ObjectError::Unavailable { .. }) && error.to_string().contains("NoSuchBucket"), "{error}");
}

#[tokio::test]
async fn other_bytes_are_never_given_out() {
    for other in ["kode", "cod", "code and more", ""] {
        let bucket = match other {
            "kode" => server(|| (StatusCode::OK, "kode")).await,
            "cod" => server(|| (StatusCode::OK, "cod")).await,
            "" => server(|| (StatusCode::OK, "")).await,
            _ => server(|| (StatusCode::OK, "code and more")).await,
        };
        let error = get(&bucket).await;
        assert!(matches!(error, ObjectError::Damaged { .. }), "{other}: {error}");
        // What was written is read, so that no row is made for it.
        let written = bucket.put("a/b", Bytes::from_static(b"code"), ObjectContent::of(b"code").digest).await;
        assert!(matches!(written, Err(ObjectError::Damaged { .. })), "{written:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_or_hangs_is_told_soon() {
    let away = bucket("http://127.0.0.1:9");
    assert!(matches!(get(&away).await, ObjectError::Unavailable { .. }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = bucket(&format!("http://{}", listener.local_addr().unwrap()));
    assert!(matches!(get(&silent).await, ObjectError::Unavailable { .. }), "it accepts, and answers nothing");
    drop(listener);
}
