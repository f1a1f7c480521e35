//! Which bucket, and what AWS's own variables say about it.

use object_store::aws::AmazonS3ConfigKey;
use secrecy::SecretString;
use url::Url;

/// The variables of AWS's own programs that are read. A variable for S3 alone wins over one for all services.
const VARIABLES: [&str; 15] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// A bucket, and how to reach it. No `Debug`: credentials are among the options.
#[derive(Clone)]
pub struct BucketConfig {
    pub(crate) bucket: String,
    /// Without a slash at either end.
    pub(crate) prefix: String,
    pub(crate) options: Vec<(AmazonS3ConfigKey, SecretString)>,
    /// Whether requests go to an endpoint by plain HTTP.
    pub(crate) plain_http: bool,
}

impl BucketConfig {
    /// Reads `s3://bucket/prefix`, and the variables. The error says what is wrong with them.
    pub fn read(url: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let (bucket, prefix) = location(url).ok_or_else(|| {
            format!("`{url}` is not a bucket such as s3://acme-resly or s3://acme-resly/production; the server is named by AWS_ENDPOINT_URL")
        })?;
        let set = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
        if set("AWS_ACCESS_KEY_ID").is_some() != set("AWS_SECRET_ACCESS_KEY").is_some() {
            return Err("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are needed together".to_owned());
        }
        let mut plain_http = false;
        let mut options = Vec::new();
        for name in VARIABLES {
            let Some(value) = set(name) else { continue };
            let value = value.trim();
            if matches!(name, "AWS_ENDPOINT_URL" | "AWS_ENDPOINT_URL_S3") {
                plain_http = is_plain_http(name, value)?;
            }
            let key = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>();
            let key = key.map_err(|error| format!("{name}: {error}"))?;
            options.push((key, SecretString::from(value)));
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned(), options, plain_http })
    }
}

/// Bucket and prefix. The names are those that every store takes and that need no encoding in a path.
fn location(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("s3://")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(named) {
        return None;
    }
    let prefix = prefix.trim_end_matches('/');
    let segment = |part: &str| {
        let plain = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        plain && !matches!(part, "" | "." | "..")
    };
    let fits = prefix.is_empty() || (prefix.len() <= 256 && prefix.split('/').all(segment));
    fits.then_some((bucket, prefix))
}

fn is_plain_http(name: &str, value: &str) -> Result<bool, String> {
    let url = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| format!("{name}: a URL such as https://s3.example.com is expected"))?;
    Ok(url.scheme() == "http")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, variables: &[(&str, &str)]) -> Result<BucketConfig, String> {
        let found = |name: &str| variables.iter().find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned());
        BucketConfig::read(url, &found)
    }

    #[test]
    fn a_bucket_may_have_a_prefix() {
        for (url, bucket, prefix) in [
            ("s3://acme", "acme", ""),
            ("s3://acme.eu-1/", "acme.eu-1", ""),
            ("s3://acme/resly/production/", "acme", "resly/production"),
        ] {
            let config = read(url, &[]).unwrap();
            assert_eq!((config.bucket.as_str(), config.prefix.as_str()), (bucket, prefix));
        }
        for url in ["acme", "https://acme/", "s3://", "s3://Acme", "s3://acme//x", "s3://acme/../x", "s3://acme/a b"] {
            assert!(read(url, &[]).is_err(), "{url}");
        }
    }

    #[test]
    fn a_half_of_a_credential_or_a_wrong_endpoint_is_told_without_secrets() {
        let half = read("s3://acme", &[("AWS_SECRET_ACCESS_KEY", "hush")]).err().unwrap();
        assert!(half.contains("AWS_ACCESS_KEY_ID") && !half.contains("hush"), "{half}");
        let endpoint = read("s3://acme", &[("AWS_ENDPOINT_URL", "minio:9000")]).err().unwrap();
        assert!(endpoint.starts_with("AWS_ENDPOINT_URL: "), "{endpoint}");
    }

    #[test]
    fn the_endpoint_of_s3_wins() {
        let variables =
            [("AWS_ENDPOINT_URL", "http://127.0.0.1:9000"), ("AWS_ENDPOINT_URL_S3", "https://s3.example.com")];
        let config = read("s3://acme", &variables).unwrap();
        assert!(!config.plain_http);
        assert_eq!(config.options.len(), 2);
    }
}
