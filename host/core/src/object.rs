//! The port to an object store, such as a bucket of S3. The database has a row for each object, and stays the only system
//! of record.

use async_trait::async_trait;
use bytes::Bytes;
use resly_manifest::Digest;
use uuid::Uuid;

use crate::id::OrganizationId;

/// An uploaded component's code as an object.
///
/// Each upload has an object of its own, even of the same code. So an object never changes, and the deletion of one, however
/// late it arrives, can't hit another upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComponentObject {
    pub id: Uuid,
    pub organization: OrganizationId,
    /// What the object holds.
    pub content: ObjectContent,
}

impl ComponentObject {
    /// Where it is in the object store. The organization comes first, so that a rule of the bucket can name it.
    pub fn key(&self) -> String {
        format!("components/{}/{}/{}", self.organization, self.content.digest, self.id)
    }
}

/// What an object holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectContent {
    pub digest: Digest,
    /// In bytes.
    pub length: u64,
}

impl ObjectContent {
    pub fn of(bytes: &[u8]) -> Self {
        Self { digest: Digest::of(bytes), length: bytes.len() as u64 }
    }
}

/// Why an object can't be stored or read. The texts are for the operator's log and for commands, because they name the
/// store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ObjectError {
    #[error(
        "the object store {at} can't be used: {detail}; check that it runs and that RESLY_COMPONENT_STORE names it"
    )]
    Unavailable { at: String, detail: String },
    #[error(
        "the object store {at} refuses access: {detail}; check the credentials (AWS_…) and the policy of the bucket"
    )]
    Refused { at: String, detail: String },
    #[error(
        "the object store {at} has no object {key}; restore it, or have its organization upload the same component again"
    )]
    Missing { at: String, key: String },
    #[error(
        "the object {key} in the object store {at} isn't what was stored there: {detail}; restore it, or have its \
         organization upload the same component again"
    )]
    Damaged { at: String, key: String, detail: String },
    #[error("the component {0} is in an object store, and RESLY_COMPONENT_STORE isn't set; set it as it was")]
    NotConfigured(Digest),
}

impl ObjectError {
    /// Whether the same may succeed later, when the operator has mended something or the store runs again. Otherwise the
    /// object has to be stored again.
    pub fn is_passing(&self) -> bool {
        !matches!(self, Self::Missing { .. } | Self::Damaged { .. })
    }
}

/// Stores objects. Every operation is bounded in time.
#[async_trait]
pub trait ObjectStore: Send + Sync + 'static {
    /// Where it is, without secrets.
    fn location(&self) -> &str;
    /// Stores an object of this digest, and makes sure that it can be read and is what it should be.
    async fn put(&self, key: &str, bytes: Bytes, digest: Digest) -> Result<(), ObjectError>;
    /// Reads an object. Gives out nothing else than what is expected, and takes no more memory than that has bytes.
    async fn get(&self, key: &str, expected: ObjectContent) -> Result<Bytes, ObjectError>;
    /// Deletes an object. One that isn't there is deleted.
    async fn delete(&self, key: &str) -> Result<(), ObjectError>;
    /// Checks that objects can be stored and read.
    async fn check(&self) -> Result<(), ObjectError>;
}
