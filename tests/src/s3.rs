//! A server with S3's API: moto, as PyPI has it. It checks each request's signature, and refuses keys that it hasn't made.
//!
//! A failure in here is a mistake in a test, so it panics.
#![expect(clippy::unwrap_used, clippy::panic, reason = "this is test code in a library's place")]

use std::process::Stdio;

use reqwest::Client;
use resly_objects::{Bounds, Bucket, BucketConfig};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{app::client, host::binary, relay::TcpRelay};

const BUCKET: &str = "acme-resly";
/// What the server does before it asks for valid signatures: see [`S3::start`].
const UNSIGNED: &str = "4";

/// The server, with one bucket and one login. Dropping it ends the server.
pub struct S3 {
    /// The way to it, which can be closed.
    pub way: TcpRelay,
    settings: Vec<(String, String)>,
    _server: Child,
}

impl S3 {
    pub async fn start() -> Self {
        let program = binary().with_file_name("../tools/moto-5.2.5/bin/moto_server");
        assert!(program.exists(), "{} is missing: run `make test`, which installs it", program.display());
        let mut server = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("INITIAL_NO_AUTH_ACTION_COUNT", UNSIGNED)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let url = loop {
            let line = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("moto ended"));
            if let Some((_, url)) = line.split_once("Running on ") {
                break url.trim().to_owned();
            }
        };
        // A pipe that nobody reads would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let (id, secret) = login(&client(), &url).await;
        let way = TcpRelay::start(url.trim_start_matches("http://").parse().unwrap()).await;
        let settings = [
            ("RESLY_COMPONENT_STORE", format!("s3://{BUCKET}/resly")),
            ("AWS_ENDPOINT_URL", way.url.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", id),
            ("AWS_SECRET_ACCESS_KEY", secret),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).into();
        Self { way, settings, _server: server }
    }

    /// The settings of a host that uses the bucket, by the names of their variables.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// The bucket, past any host.
    pub fn bucket(&self) -> Bucket {
        let found = |name: &str| self.settings.iter().find(|(have, _)| have == name).map(|(_, value)| value.clone());
        let config = BucketConfig::read(&found("RESLY_COMPONENT_STORE").unwrap(), &found).unwrap();
        Bucket::new(&config, Bounds::default()).unwrap()
    }
}

/// Makes a login that may use S3, and the bucket. These are the requests that need no valid signature.
async fn login(client: &Client, url: &str) -> (String, String) {
    let unsigned = |service: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=x"
        )
    };
    let iam = async |form: &[(&str, &str)]| {
        let form: Vec<_> = form.iter().chain(&[("Version", "2010-05-08"), ("UserName", "resly")]).collect();
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = client.post(url).header("authorization", unsigned("iam")).body(body);
        let response = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
        response.text().await.unwrap()
    };
    iam(&[("Action", "CreateUser")]).await;
    let made = iam(&[("Action", "CreateAccessKey")]).await;
    let member = |name: &str| {
        let (_, rest) = made.split_once(&format!("<{name}>")).unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    iam(&[("Action", "PutUserPolicy"), ("PolicyName", "all"), ("PolicyDocument", policy)]).await;
    let bucket = client.put(format!("{url}/{BUCKET}")).header("authorization", unsigned("s3")).send().await.unwrap();
    assert!(bucket.status().is_success(), "{}", bucket.text().await.unwrap());
    (member("AccessKeyId"), member("SecretAccessKey"))
}
