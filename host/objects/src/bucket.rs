//! One bucket: bounded requests, and errors that name neither a credential nor what a server says beside its code.

use std::{error::Error, fmt, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStoreExt, PutPayload, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    client::{HttpClient, HttpConnector},
    path::Path,
};
use reqwest::redirect;
use resly_core::object::{ObjectContent, ObjectError, ObjectStore};
use resly_manifest::Digest;
use secrecy::ExposeSecret;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use crate::BucketConfig;

/// The object by which [`Bucket::check`] sees whether the bucket can be used.
const PROBE: &str = "resly-probe";
/// Bytes of the largest component; memory for them is taken at once.
const LARGEST: usize = 32 << 20;
/// Characters of a message that an error keeps.
const DETAIL: usize = 200;

/// How long requests may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub connect: Duration,
    /// Without a byte of a response.
    pub idle: Duration,
    /// Writing or reading an object, with all attempts.
    pub transfer: Duration,
    /// Anything else, with all attempts.
    pub short: Duration,
    /// Attempts after the first one.
    pub attempts: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(3), idle: seconds(10), transfer: seconds(120), short: seconds(15), attempts: 2 }
    }
}

/// The bucket can't be used as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("RESLY_COMPONENT_STORE: {0}")]
pub struct BucketError(String);

pub struct Bucket {
    store: AmazonS3,
    prefix: Path,
    location: String,
    bounds: Bounds,
}

/// Hands our own client to `object_store`.
struct Connector(reqwest::Client);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

impl Bucket {
    /// Nothing is sent yet.
    pub fn new(config: &BucketConfig, bounds: Bounds) -> Result<Self, BucketError> {
        let client = client(config, bounds).map_err(|error| BucketError(error.to_string()))?;
        let retry = RetryConfig {
            backoff: BackoffConfig { max_backoff: Duration::from_secs(1), ..BackoffConfig::default() },
            max_retries: bounds.attempts,
            retry_timeout: bounds.short,
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&config.bucket)
            .with_retry(retry)
            // Some servers don't have it.
            .with_disable_bulk_delete(true)
            .with_http_connector(Connector(client));
        for (key, value) in &config.options {
            builder = builder.with_config(*key, value.expose_secret());
        }
        let store = builder.build().map_err(|error| BucketError(root_cause(&error)))?;
        let location = match config.prefix.as_str() {
            "" => format!("s3://{}", config.bucket),
            prefix => format!("s3://{}/{prefix}", config.bucket),
        };
        Ok(Self { store, prefix: Path::from(config.prefix.as_str()), location, bounds })
    }

    fn path(&self, key: &str) -> Path {
        key.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    fn unavailable(&self, detail: impl Into<String>) -> ObjectError {
        ObjectError::Unavailable { at: self.location.clone(), detail: detail.into() }
    }

    fn error(&self, key: &str, error: &object_store::Error) -> ObjectError {
        let (at, detail) = (self.location.clone(), root_cause(error));
        match error {
            // The bucket itself may be missing.
            object_store::Error::NotFound { .. } if detail != "NoSuchBucket" => {
                ObjectError::Missing { at, key: key.to_owned() }
            }
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                ObjectError::Refused { at, detail }
            }
            _ => ObjectError::Unavailable { at, detail },
        }
    }

    async fn within<T>(
        &self,
        bound: Duration,
        key: &str,
        work: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, ObjectError> {
        match timeout(bound, work).await {
            Ok(done) => done.map_err(|error| self.error(key, &error)),
            Err(_) => Err(self.unavailable(format!("it took longer than {bound:?}"))),
        }
    }

    /// Reads an object, and gives each piece to `keep`.
    async fn read(
        &self,
        key: &str,
        expected: ObjectContent,
        mut keep: impl FnMut(&Bytes) + Send,
    ) -> Result<(), ObjectError> {
        let path = self.path(key);
        let reading = async {
            let mut stream = self.store.get(&path).await?.into_stream();
            let (mut length, mut hash) = (0, Sha256::new());
            while let Some(piece) = stream.next().await {
                let piece = piece?;
                length += piece.len() as u64;
                if length > expected.length {
                    return Ok(Err(format!("it has more than {} bytes", expected.length)));
                }
                hash.update(&piece);
                keep(&piece);
            }
            let digest = Digest(hash.finalize().into());
            let same = ObjectContent { digest, length } == expected;
            Ok::<_, object_store::Error>(if same {
                Ok(())
            } else {
                Err(format!("it has {length} bytes with the SHA-256 {digest}"))
            })
        };
        let read = self.within(self.bounds.transfer, key, reading).await?;
        read.map_err(|detail| ObjectError::Damaged { at: self.location.clone(), key: key.to_owned(), detail })
    }
}

#[async_trait]
impl ObjectStore for Bucket {
    fn location(&self) -> &str {
        &self.location
    }

    async fn put(&self, key: &str, bytes: Bytes, digest: Digest) -> Result<(), ObjectError> {
        let (path, content) = (self.path(key), ObjectContent { digest, length: bytes.len() as u64 });
        self.within(self.bounds.transfer, key, self.store.put(&path, PutPayload::from(bytes))).await?;
        self.read(key, content, |_| ()).await
    }

    async fn get(&self, key: &str, expected: ObjectContent) -> Result<Bytes, ObjectError> {
        let mut bytes = BytesMut::with_capacity(usize::try_from(expected.length).unwrap_or(0).min(LARGEST));
        self.read(key, expected, |piece| bytes.extend_from_slice(piece)).await?;
        Ok(bytes.freeze())
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        let path = self.path(key);
        match self.within(self.bounds.short, key, self.store.delete(&path)).await {
            Err(ObjectError::Missing { .. }) => Ok(()),
            done => done,
        }
    }

    async fn check(&self) -> Result<(), ObjectError> {
        let path = self.path(PROBE);
        match self.within(self.bounds.short, PROBE, self.store.get(&path)).await {
            // Its first use.
            Err(ObjectError::Missing { .. }) => {
                self.within(self.bounds.short, PROBE, self.store.put(&path, PutPayload::default())).await.map(drop)
            }
            checked => checked.map(drop),
        }
    }
}

fn client(config: &BucketConfig, bounds: Bounds) -> reqwest::Result<reqwest::Client> {
    // Whoever comes first installs it; all of us install the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(bounds.connect)
        .read_timeout(bounds.idle)
        .user_agent(concat!("resly/", env!("CARGO_PKG_VERSION")));
    if config.plain_http {
        // Plain HTTP needs no roots, and works on a machine that has none.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

/// The innermost cause: S3's code where it gave one. The rest of what S3 says may hold parts of the signed request.
fn root_cause(error: &object_store::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let (before_body, _) = text.split_once(": <").unwrap_or((&text, ""));
    code.map_or(before_body, |(code, _)| code).chars().take(DETAIL).collect()
}
