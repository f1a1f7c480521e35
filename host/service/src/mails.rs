//! Mails: what is stored by the changes that they tell is written and sent here. Without a mail server nothing is stored.

mod write;

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use resly_core::{
    alert::wait_after,
    boxed,
    connector::account::SealedCredentials,
    error::StoreError,
    id::{ConnectionId, MailId, OrganizationId},
    mail::{Mail, MailError, MailFacts, MailKind, Mailer},
    member::Person,
    metrics::names,
};
use resly_store::{Cursor, DueMail, MailAttempt, NewMail, Recipient};
pub use resly_store::{MailRecord, MailState};
use resly_vault::{Credentials, EncryptionContext, VaultError};

use self::write::{Written, written};
use crate::{App, members::Session};

/// Mails that one host sends at a time.
const AT_ONCE: u32 = 4;
/// The lease on a mail. A mailer gives an attempt a minute.
const LEASE: Duration = Duration::from_secs(180);
/// The member of a sealed record that is a link's token.
const TOKEN: &str = "token";

/// Why a test mail isn't on its way.
#[derive(Debug, thiserror::Error)]
pub enum TestMailError {
    #[error("no mail server is set: whoever runs this host sets RESLY_SMTP_URL and RESLY_MAIL_FROM")]
    NoServer,
    #[error("you have no e-mail; set one in your profile, and try again")]
    NoAddress,
    #[error("the mail server did not take it: {0}")]
    Mail(#[from] MailError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The vault's binding of a token in a mail.
fn context(organization: OrganizationId) -> EncryptionContext {
    EncryptionContext { organization, connection: ConnectionId(organization.0), field: "mail".into(), version: 1 }
}

/// An invitation's mail with its token, which is sealed; `None` without a mail server. The link is shown as well, so a mail
/// that can't be written is no reason to invite nobody.
#[boxed]
pub(crate) async fn invitation(
    app: &App,
    organization: OrganizationId,
    email: &str,
    by: &str,
    token: &str,
) -> Option<NewMail> {
    app.mailer.as_ref()?;
    let record = Credentials::new(BTreeMap::from([(TOKEN.to_owned(), token.to_owned())]));
    let sealed = app.hooks.vault.seal(&context(organization), &record).await;
    let sealed = sealed.inspect_err(|error| tracing::error!(%error, "an invitation's mail can't be sealed")).ok()?;
    Some(NewMail {
        kind: MailKind::Invitation,
        to: Recipient::Address(email.to_owned()),
        facts: MailFacts { by: Some(by.to_owned()), ..MailFacts::default() },
        secret: Some(sealed.0),
        conversation: None,
    })
}

/// Sends every mail that is due. Returns how many were tried.
#[boxed]
pub async fn send_due(app: &App) -> Result<usize, StoreError> {
    let Some(mailer) = &app.mailer else { return Ok(0) };
    let mut tried = 0;
    loop {
        let now = app.clock.now();
        let due = app.store.take_due_mails(now, now.plus(LEASE), AT_ONCE).await?;
        if due.is_empty() {
            return Ok(tried);
        }
        tried += due.len();
        for ended in join_all(due.iter().map(|due| send(app, &**mailer, due))).await {
            ended?;
        }
    }
}

/// Tries a mail once, and stores what became of it.
async fn send(app: &App, mailer: &dyn Mailer, due: &DueMail) -> Result<(), StoreError> {
    let outcome = attempt(app, mailer, due).await;
    let result = if outcome.is_ok() { "sent" } else { "failed" };
    app.metrics.count(&names::MAIL_ATTEMPTS, [result.into()]);
    let mut chance = [0];
    app.random.fill(&mut chance);
    let now = app.clock.now();
    let (error, again) = match outcome {
        Ok(()) => (None, None),
        Err(MailError::Refused(error)) => (Some(error), None),
        Err(MailError::Failed(error)) => (Some(error), wait_after(due.tries.saturating_add(1), chance[0])),
    };
    if let Some(error) = &error {
        tracing::warn!(
            organization = %due.organization, mail = %due.id, error, again = again.is_some(), "a mail was not taken"
        );
    }
    let again_at = again.map(|wait| now.plus(wait));
    app.store.settle_mail(due, MailAttempt { error, again_at }, now).await
}

async fn attempt(app: &App, mailer: &dyn Mailer, due: &DueMail) -> Result<(), MailError> {
    let to = due.to.clone().ok_or_else(|| MailError::Refused("this person has no e-mail".to_owned()))?;
    let token = token(app, due)
        .await
        .map_err(|error| MailError::Failed(format!("the link of the mail can't be opened: {error}")))?;
    let base = app.public_url().map_err(|error| MailError::Failed(error.to_string()))?;
    let Written { subject, text, html } = written(due.kind, &due.facts, &due.organization_name, base, token.as_deref());
    mailer.send(&Mail { id: due.id, to, subject, text, html, at: due.created_at }).await
}

/// The token of the mail's link.
async fn token(app: &App, due: &DueMail) -> Result<Option<String>, VaultError> {
    let Some(sealed) = &due.secret else { return Ok(None) };
    let opened = app.hooks.vault.open(&context(due.organization), &SealedCredentials(sealed.clone())).await?;
    Ok(opened.get(TOKEN).map(str::to_owned))
}

/// Sends a test mail to a person at once, and returns the address.
#[boxed]
pub async fn test(app: &App, organization_name: &str, person: &Person) -> Result<String, TestMailError> {
    let mailer = app.mailer.as_ref().ok_or(TestMailError::NoServer)?;
    let to = person.email.clone().ok_or(TestMailError::NoAddress)?;
    let at = app.clock.now();
    let base = app.public_url().unwrap_or_default();
    let Written { subject, text, html } = written(MailKind::Test, &MailFacts::default(), organization_name, base, None);
    mailer.send(&Mail { id: MailId(app.random.uuid(at)), to: to.clone(), subject, text, html, at }).await?;
    Ok(to)
}

/// The organization's mails of the last week, newest first.
#[boxed]
pub async fn list(
    app: &App,
    organization: OrganizationId,
    before: Option<Cursor>,
    limit: u32,
) -> Result<Vec<MailRecord>, StoreError> {
    app.store.mails(organization, before, limit).await
}

/// Whether a session's member gets mails of conversations that wait.
#[boxed]
pub async fn wants_handovers(app: &App, session: &Session) -> Result<bool, StoreError> {
    let wanted = app.store.mails_handovers(session.organization, session.person.id).await?;
    Ok(wanted.unwrap_or_default())
}

/// Says whether a session's member wants mails of conversations that wait.
#[boxed]
pub async fn want_handovers(app: &App, session: &Session, wanted: bool) -> Result<(), StoreError> {
    app.store.set_mail_handovers(session.organization, session.person.id, wanted).await
}
