//! Where the code of uploaded components is: in the database, or in an object store if one is configured.
//!
//! The database's rows tell for each component where it is, so both are read whatever is configured. What comes out has the
//! digest that was asked for.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use resly_core::{
    boxed,
    connector::sandbox::ComponentStoreError,
    id::OrganizationId,
    object::{ComponentObject, ObjectContent, ObjectError, ObjectStore},
    time::{Clock, Random},
};
use resly_manifest::Digest;
use resly_store::Store;
use tokio::time::timeout;

/// How long a request waits for objects that its change made superfluous. A job deletes what is left.
const QUICK: Duration = Duration::from_secs(3);

pub struct ComponentStore {
    store: Store,
    objects: Option<Arc<dyn ObjectStore>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl ComponentStore {
    pub fn new(
        store: Store,
        objects: Option<Arc<dyn ObjectStore>>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { store, objects, clock, random }
    }

    /// Where the object store is, if one is configured.
    pub fn location(&self) -> Option<&str> {
        self.objects.as_deref().map(ObjectStore::location)
    }

    /// Checks that the object store can be used. Without one there is nothing to check.
    #[boxed]
    pub async fn check(&self) -> Result<(), ObjectError> {
        match &self.objects {
            Some(objects) => objects.check().await,
            None => Ok(()),
        }
    }

    /// Stores a component's code as an object that is the version's once the version is stored. `None` without an object
    /// store.
    pub(crate) async fn put(
        &self,
        organization: OrganizationId,
        digest: Digest,
        wasm: &Bytes,
    ) -> Result<Option<ComponentObject>, ComponentStoreError> {
        let Some(objects) = &self.objects else { return Ok(None) };
        let content = ObjectContent { digest, length: wasm.len() as u64 };
        let now = self.clock.now();
        let object = ComponentObject { id: self.random.uuid(now), organization, content };
        // The row comes first. If the host dies from here on, a job finds the row and deletes the object.
        self.store.begin_component_object(object, now).await?;
        objects.put(&object.key(), wasm.clone(), digest).await.inspect_err(
            |error| tracing::warn!(%error, %organization, "an uploaded component can't be stored in the object store"),
        )?;
        Ok(Some(object))
    }

    /// The bytes of an uploaded component, wherever they are. `None` when there is no such component.
    #[boxed]
    pub async fn read(&self, digest: Digest) -> Result<Option<Bytes>, ComponentStoreError> {
        if let Some(wasm) = self.store.wasm(digest).await? {
            return Ok(Some(wasm));
        }
        let found = self.store.component_objects(digest).await?;
        let failure = match self.read_one(&found).await {
            Ok(wasm) => return Ok(wasm),
            Err(error) => error,
        };
        // Another upload, or a move, may have put something else in the place of what was found.
        let now = self.store.component_objects(digest).await?;
        if now != found {
            return Ok(self.read_one(&now).await?);
        }
        match self.store.wasm(digest).await? {
            Some(wasm) => Ok(Some(wasm)),
            None => Err(failure.into()),
        }
    }

    /// The bytes of the first of these objects that is as it was stored.
    async fn read_one(&self, candidates: &[ComponentObject]) -> Result<Option<Bytes>, ObjectError> {
        let mut failure = None;
        for object in candidates {
            match self.get(object).await {
                Ok(wasm) => return Ok(Some(wasm)),
                Err(error) => {
                    tracing::warn!(%error, organization = %object.organization, "a component can't be read");
                    if error.is_passing() {
                        return Err(error);
                    }
                    failure = Some(error);
                }
            }
        }
        failure.map_or(Ok(None), Err)
    }

    async fn get(&self, object: &ComponentObject) -> Result<Bytes, ObjectError> {
        let content = object.content;
        let objects = self.objects.as_ref().ok_or(ObjectError::NotConfigured(content.digest))?;
        objects.get(&object.key(), content).await
    }

    /// Deletes the objects that nothing needs. Returns how many. Any number of hosts may do so at once, because a deletion
    /// can be repeated.
    #[boxed]
    pub async fn sweep(&self) -> Result<usize, ComponentStoreError> {
        let Some(objects) = self.objects.as_ref().filter(|_| !self.store.is_read_only()) else { return Ok(0) };
        let (mut deleted, mut failure) = (0, None);
        for object in self.store.due_component_objects(self.clock.now()).await? {
            match objects.delete(&object.key()).await {
                Ok(()) => self.store.forget_component_object(object).await?,
                Err(error @ ObjectError::Unavailable { .. }) => return Err(error.into()),
                // The others may be deleted nevertheless.
                Err(error) => {
                    failure = Some(error);
                    continue;
                }
            }
            deleted += 1;
        }
        failure.map_or(Ok(deleted), |error| Err(error.into()))
    }

    /// The same, for a request that shall not wait long.
    pub(crate) async fn sweep_soon(&self) {
        if let Ok(Err(error)) = timeout(QUICK, self.sweep()).await {
            tracing::warn!(%error, "objects that nothing needs can't be deleted; it is tried again in a minute");
        }
    }

    /// Moves every component from the database to the object store. Returns how many.
    #[boxed]
    pub async fn move_to_objects(&self) -> Result<u64, ComponentStoreError> {
        let mut moved = 0;
        for (organization, digest) in self.store.components_in_database().await? {
            // It may have been deleted meanwhile.
            let Some(wasm) = self.store.wasm(digest).await? else { continue };
            let object = self.put(organization, digest, &wasm).await?.ok_or(ObjectError::NotConfigured(digest))?;
            self.store.move_component_to_object(object).await?;
            moved += 1;
        }
        Ok(moved)
    }

    /// Moves every component from the object store to the database. Returns how many.
    #[boxed]
    pub async fn move_to_database(&self) -> Result<u64, ComponentStoreError> {
        let mut moved = 0;
        for object in self.store.stored_component_objects().await? {
            let wasm = self.get(&object).await?;
            self.store.move_component_to_database(object, wasm, self.clock.now()).await?;
            moved += 1;
        }
        self.sweep().await?;
        Ok(moved)
    }
}
