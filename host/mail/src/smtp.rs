//! Sends mails: one connection for each, within bounds of time.

use std::{error::Error as _, time::Duration};

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    transport::smtp::{
        Error,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
        extension::ClientId,
        response::{Category, Severity},
    },
};
use resly_core::mail::{Mail, MailError, Mailer, MailerDescription};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::{
    config::{MailConfig, Protection},
    message::message,
};

/// Time for each step of the protocol.
const STEP: Duration = Duration::from_secs(20);
/// Time for a mail.
const WHOLE: Duration = Duration::from_secs(60);
/// Characters of an error that are shown.
const LONGEST: usize = 300;

/// Why no mail can be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    #[error("RESLY_EGRESS_CA: {0}")]
    Ca(String),
    #[error("RESLY_SMTP_URL: TLS can't be set up: {0}")]
    Tls(String),
}

/// The operator's mail server.
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    config: MailConfig,
    whole: Duration,
}

impl SmtpMailer {
    pub fn new(config: MailConfig) -> Result<Self, SmtpError> {
        let server = &config.server;
        let protected = || -> Result<TlsParameters, SmtpError> {
            let mut parameters = TlsParameters::builder(server.host.clone());
            if !config.extra_ca_pem.is_empty() {
                let extra = Certificate::from_pem(&config.extra_ca_pem);
                parameters = parameters.add_root_certificate(extra.map_err(|error| SmtpError::Ca(error.to_string()))?);
            }
            parameters.build().map_err(|error| SmtpError::Tls(error.to_string()))
        };
        let tls = match server.protection {
            Protection::Tls => Tls::Wrapper(protected()?),
            Protection::StartTls => Tls::Required(protected()?),
            Protection::Loopback => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host.clone())
            .port(server.port)
            .hello_name(ClientId::Domain(config.from.0.email.domain().to_owned()))
            .tls(tls)
            .timeout(Some(STEP));
        if let Some((user, password)) = &server.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        Ok(Self { transport: builder.build(), config, whole: WHOLE })
    }

    /// The same with less patience, for tests.
    pub fn within(self, whole: Duration) -> Self {
        Self { whole, ..self }
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let message = message(mail, &self.config.from.0)?;
        match timeout(self.whole, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(told(&error)),
            Err(_) => Err(MailError::Failed("the mail server did not take it in time".to_owned())),
        }
    }

    fn description(&self) -> MailerDescription {
        let server = &self.config.server;
        MailerDescription { server: format!("{}:{}", server.host, server.port), from: self.config.from.0.to_string() }
    }
}

/// What failed. Only what the server says of the mail itself ends it: a wrong password is the operator's to mend.
fn told(error: &Error) -> MailError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    let text = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let of_the_mail = error.status().is_some_and(|code| {
        code.severity == Severity::PermanentNegativeCompletion && code.category == Category::MailSystem
    });
    if of_the_mail { MailError::Refused(text) } else { MailError::Failed(text) }
}
