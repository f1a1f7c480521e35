//! Limits the memory that the bodies of all requests take together.
//!
//! A request takes memory before it reads or waits, and gives it back with its response. An organization may take as
//! much as stays free afterwards. So a single one gets half, and however many take all that they can, some is left for
//! the next one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use resly_core::id::OrganizationId;

/// The memory of a whole host, in bytes.
pub const MOST: usize = 256 << 20;

/// The memory that all requests have taken.
#[derive(Clone)]
pub struct BodyMemory(Arc<Mutex<Account>>);

struct Account {
    free: usize,
    held: HashMap<OrganizationId, usize>,
}

/// The memory that one request has taken. Dropping it gives the memory back.
pub struct MemoryPermit {
    memory: BodyMemory,
    organization: OrganizationId,
    bytes: Mutex<usize>,
}

impl BodyMemory {
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Account { free: most, held: HashMap::new() })))
    }

    /// A permit for no memory yet.
    pub fn share(&self, organization: OrganizationId) -> MemoryPermit {
        MemoryPermit { memory: self.clone(), organization, bytes: Mutex::new(0) }
    }

    /// The bytes that are taken.
    pub fn taken(&self) -> usize {
        self.lock().held.values().sum()
    }

    fn lock(&self) -> MutexGuard<'_, Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryPermit {
    /// Makes the permit at least this large. Returns false and changes nothing when there isn't enough memory.
    pub fn grow_to(&self, bytes: usize) -> bool {
        let mut mine = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let more = bytes.saturating_sub(*mine);
        if more == 0 {
            return true;
        }
        let mut account = self.memory.lock();
        let held = account.held.get(&self.organization).copied().unwrap_or(0) + more;
        if more > account.free || held > account.free - more {
            return false;
        }
        account.free -= more;
        account.held.insert(self.organization, held);
        *mine += more;
        true
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        let mine = *self.bytes.get_mut().unwrap_or_else(PoisonError::into_inner);
        if mine == 0 {
            return;
        }
        let mut account = self.memory.lock();
        account.free += mine;
        if let Some(held) = account.held.get_mut(&self.organization) {
            *held -= mine;
            if *held == 0 {
                account.held.remove(&self.organization);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn one_organization_leaves_memory_for_the_next_and_all_of_it_comes_back() {
        let memory = BodyMemory::new(100);
        let share = |n| memory.share(OrganizationId(Uuid::from_u128(n)));
        let (first, second) = (share(1), share(1));
        assert!(first.grow_to(40) && first.grow_to(40) && first.grow_to(30));
        assert!(second.grow_to(10) && !second.grow_to(11));
        let other = share(2);
        assert!(!other.grow_to(26) && other.grow_to(25));
        assert_eq!(memory.taken(), 75);
        drop((first, second, other));
        assert_eq!(memory.taken(), 0);
        assert!(share(3).grow_to(50));
    }
}
