//! Has glibc's allocator give freed memory back to the system.

/// From this size on an allocation is mapped by itself, and as much may stay free at the end of an arena: glibc's initial
/// values of both.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const THRESHOLD: i32 = 128 << 10;

/// Keeps the allocator's thresholds as they begin. Left to itself, glibc raises both whenever a larger mapped allocation
/// is freed, to 32 and 64 MiB at most (mallopt(3), "M_MMAP_THRESHOLD"), and the arena of each thread then keeps as much:
/// after some updates of a search index the host held 130 MiB that were free.
pub fn return_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "glibc has no other door, and its function takes two numbers")]
    // SAFETY: mallopt takes no pointer, and no other thread is running yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, THRESHOLD);
        libc::mallopt(libc::M_TRIM_THRESHOLD, THRESHOLD);
    }
}
