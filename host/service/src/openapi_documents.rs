//! Fetches an OpenAPI document from its address, under the same policy as a page of the knowledge.

use bytes::Bytes;
use resly_core::{boxed, id::OrganizationId};
use resly_egress::PageError;
use resly_store::PageVersion;

use crate::{App, sources::fetch::fetch};

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Page(#[from] PageError),
    #[error("the server answered {0} and no document")]
    Status(u16),
}

/// Fetches a document. Nothing is stored.
#[boxed]
pub async fn get(app: &App, organization: OrganizationId, url: &str) -> Result<Bytes, FetchError> {
    app.egress.check_page_url(url)?;
    let answer = fetch(app, organization, url, &PageVersion::default(), false).await?;
    if answer.status == 200 { Ok(answer.body) } else { Err(FetchError::Status(answer.status)) }
}
