//! The room on a disk.

use std::path::Path;

/// The bytes that are free for this process on the folder's disk. `None` when the system doesn't tell.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
