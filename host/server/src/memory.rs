//! Has glibc's allocator give freed memory back to the system.

/// The size in bytes from which an allocation is mapped by itself, and the most that may stay free at the end of an arena:
/// glibc's initial values of both.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const THRESHOLD: i32 = 128 << 10;

/// Fixes the allocator's thresholds at their initial values. By default glibc raises both whenever a larger mapped
/// allocation is freed, up to 32 and 64 MiB (mallopt(3), "M_MMAP_THRESHOLD"), and each thread's arena then keeps that much
/// free memory. After some updates of a search index the host held 130 MiB of it.
pub fn return_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "glibc has no safe interface for it")]
    // SAFETY: mallopt takes no pointer, and no other thread is running yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, THRESHOLD);
        libc::mallopt(libc::M_TRIM_THRESHOLD, THRESHOLD);
    }
}
