//! The passages that searches of one snapshot found lately, so that a search needs no store call for them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use resly_core::{
    error::StoreError,
    id::{OrganizationId, PassageId},
    knowledge::{KnowledgeStore, Passage},
};

/// Bytes that are kept. When there are more, all are forgotten: what is asked often is soon here again.
const BYTES: usize = 256 << 10;

/// The passages that were loaded. They belong to one knowledge version, and are forgotten with its snapshot.
#[derive(Debug, Default)]
pub struct Passages(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    passages: HashMap<PassageId, Arc<Passage>>,
    bytes: usize,
}

impl Passages {
    /// The passages with these ids, in their order. Those that are gone from the store are left out.
    pub async fn load(
        &self,
        store: &dyn KnowledgeStore,
        organization: OrganizationId,
        ids: &[PassageId],
    ) -> Result<Vec<Passage>, StoreError> {
        let mut found = self.kept(ids);
        let missing: Vec<PassageId> = ids.iter().copied().filter(|id| !found.contains_key(id)).collect();
        if !missing.is_empty() {
            let loaded: Vec<_> = store.load_passages(organization, &missing).await?.into_iter().map(Arc::new).collect();
            self.keep(&loaded);
            found.extend(loaded.into_iter().map(|passage| (passage.id, passage)));
        }
        Ok(ids.iter().filter_map(|id| found.get(id)).map(|passage| Passage::clone(passage)).collect())
    }

    fn kept(&self, ids: &[PassageId]) -> HashMap<PassageId, Arc<Passage>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.iter().filter_map(|id| Some((*id, Arc::clone(kept.passages.get(id)?)))).collect()
    }

    fn keep(&self, loaded: &[Arc<Passage>]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for passage in loaded {
            let bytes = bytes(passage);
            if kept.bytes + bytes > BYTES {
                *kept = Kept::default();
            }
            if bytes <= BYTES && kept.passages.insert(passage.id, Arc::clone(passage)).is_none() {
                kept.bytes += bytes;
            }
        }
    }
}

fn bytes(passage: &Passage) -> usize {
    let Passage { title, section, url, text, .. } = passage;
    size_of::<Passage>() + title.len() + section.len() + text.len() + url.as_ref().map_or(0, String::len)
}
