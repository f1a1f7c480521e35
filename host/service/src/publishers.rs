//! Whose signatures of uploads an organization trusts.

use resly_core::{
    boxed,
    error::StoreError,
    id::{OrganizationId, PublisherId},
};
use resly_manifest::signature::PublicKey;
use resly_store::{AddPublisherError, Publisher, Trust};

use crate::{App, FieldError, check_name};

/// Why something can't be done with a publisher.
#[derive(Debug, thiserror::Error)]
pub enum PublisherError {
    #[error("there is no such publisher")]
    Missing,
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Refused(#[from] AddPublisherError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whom to trust.
pub struct NewPublisher {
    /// For people.
    pub name: String,
    /// An Ed25519 key: 32 bytes in Base64.
    pub public_key: String,
}

/// Trusts another publisher.
#[boxed]
pub async fn add(app: &App, organization: OrganizationId, new: NewPublisher) -> Result<Publisher, PublisherError> {
    let NewPublisher { name, public_key } = new;
    if let Some(mistake) = check_name(&name) {
        return Err(PublisherError::Invalid(vec![mistake]));
    }
    let key = public_key.parse().and_then(PublicKey::trustworthy);
    let invalid = |message: String| PublisherError::Invalid(vec![FieldError::new("public_key", message)]);
    let public_key = key.map_err(|error| invalid(error.to_string()))?;
    let now = app.clock.now();
    let publisher = Publisher { id: PublisherId(app.random.uuid(now)), name, public_key, created_at: now };
    app.store.add_publisher(organization, publisher.clone()).await?;
    Ok(publisher)
}

/// Says whether uploads have to be signed by a publisher that is trusted.
#[boxed]
pub async fn require(app: &App, organization: OrganizationId, required: bool) -> Result<Trust, PublisherError> {
    app.store.require_publisher(organization, required).await?;
    Ok(app.store.trust(organization).await?)
}
