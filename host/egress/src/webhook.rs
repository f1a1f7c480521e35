//! Sends a signed message to an organization's webhook, under the same policy as other requests.
//!
//! The message follows Standard Webhooks
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>). The signature is
//! `v1,` and the Base64 of HMAC-SHA256 over `id.timestamp.body`. While a secret is being replaced, there are several
//! signatures with spaces between them.
//!
//! Redirects aren't followed, and only the status of the answer is read.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use resly_core::{
    id::{ConnectionId, OrganizationId, WebhookId},
    time::{Random, Timestamp},
};
use resly_vault::{Credentials, EncryptionContext};
use secrecy::SecretString;
use sha2::Sha256;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::{
    egress::Egress,
    policy::target::{Target, TargetError},
    wire::client::{Outgoing, TransportError, WireError},
};

/// The field of the secret in its credentials record, and the version of that record.
const FIELD: &str = "secret";
const VERSION: u32 = 1;
const PREFIX: &str = "whsec_";
/// Bytes of a secret.
const SECRET: usize = 32;
/// Time for everything, from resolving the name to the head of the answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A message to send.
#[derive(Clone, Copy, Debug)]
pub struct Message<'m> {
    pub url: &'m str,
    /// The same in each attempt, so that a receiver can recognise repeats.
    pub id: &'m str,
    pub at: Timestamp,
    /// JSON text.
    pub body: &'m str,
}

/// Why a message didn't arrive. The text is safe for the admin, because it names no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("the webhook's URL can't be called: {0}")]
    Url(#[from] TargetError),
    #[error("the webhook's URL can't be called: {0}")]
    Transport(#[from] TransportError),
    #[error("the webhook could not be reached: {0}")]
    Wire(#[from] WireError),
    #[error("the webhook's secret is not what this host makes; rotate it")]
    Secret,
}

/// The vault's binding of a webhook's secret. The webhook's id is in the place of a connection's. Ids are unique, so
/// they can't be the same.
pub fn webhook_context(organization: OrganizationId, webhook: WebhookId) -> EncryptionContext {
    EncryptionContext { organization, connection: ConnectionId(webhook.0), field: "webhook".into(), version: VERSION }
}

/// Creates a secret: as text, which is shown once, and as a record for the vault.
pub fn mint_webhook_secret(random: &dyn Random) -> (SecretString, Credentials) {
    let mut bytes = Zeroizing::new([0; SECRET]);
    random.fill(&mut *bytes);
    let text = Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(*bytes)));
    let sealed = Credentials::new(BTreeMap::from([(FIELD.to_owned(), (*text).clone())]));
    (SecretString::from(text.as_str()), sealed)
}

/// The `webhook-signature` header, with one signature for each secret.
fn signature(secrets: &[Credentials], message: &Message<'_>) -> Result<String, SendError> {
    let signed = format!("{}.{}.{}", message.id, message.at.seconds(), message.body);
    let each = secrets.iter().map(|secret| {
        let key = secret.get(FIELD).and_then(|text| text.strip_prefix(PREFIX)).ok_or(SendError::Secret)?;
        let key = Zeroizing::new(STANDARD.decode(key).map_err(|_| SendError::Secret)?);
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| SendError::Secret)?;
        mac.update(signed.as_bytes());
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    });
    Ok(each.collect::<Result<Vec<_>, SendError>>()?.join(" "))
}

impl Egress {
    /// Checks whether a URL may be a webhook's, without resolving its name.
    pub fn check_webhook_url(&self, url: &str) -> Result<(), SendError> {
        self.clients.transport(&Target::parse(url)?)?;
        Ok(())
    }

    /// Sends a message, signed with each of the secrets. Returns the answer's status.
    pub async fn send_webhook(&self, message: Message<'_>, secrets: &[Credentials]) -> Result<u16, SendError> {
        let target = Target::parse(message.url)?;
        let way = self.clients.transport(&target)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let signature = signature(secrets, &message)?;
        let own = [
            ("webhook-id", message.id.to_owned()),
            ("webhook-timestamp", message.at.seconds().to_string()),
            ("webhook-signature", signature),
        ];
        for (name, value) in own {
            let value = HeaderValue::from_str(&value).map_err(|_| WireError::Unsendable)?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let outgoing = Outgoing {
            method: Method::POST,
            url: target.url().clone(),
            headers,
            body: Some(Bytes::from(message.body.to_owned())),
        };
        let response = self.clients.send(&way, outgoing, Instant::now() + PATIENCE).await?;
        Ok(response.status().as_u16())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected value was computed with Python's `hmac`.
    #[test]
    fn a_signature_is_what_the_specification_says() {
        let secret = |text: &str| Credentials::new(BTreeMap::from([(FIELD.to_owned(), text.to_owned())]));
        let message = Message {
            url: "https://a.example/",
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            at: Timestamp::from_micros(1_614_265_330_000_000),
            body: r#"{"test": 2432232314}"#,
        };
        let secrets = [secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signature(&secrets, &message).unwrap(), expected);
        let two = [secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), secret("whsec_AAAA")];
        assert!(signature(&two, &message).unwrap().starts_with(&format!("{expected} v1,")));
        assert_eq!(signature(&[secret("whsec_!")], &message), Err(SendError::Secret));
        assert_eq!(signature(&[secret("AAAA")], &message), Err(SendError::Secret));
    }
}
