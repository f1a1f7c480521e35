//! The guest's allocator, for an instance that lives for one call on one thread.
//!
//! A call makes many small allocations. Blocks are taken from the end of an arena, and kept in lists by size when they
//! are freed. Blocks are never split, joined or returned to the host, because the whole memory is dropped at the end of
//! the call.

#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use core::{
    alloc::{GlobalAlloc, Layout},
    arch::wasm32,
    cell::UnsafeCell,
    mem::MaybeUninit,
    ptr,
};

/// Bytes that suffice for most calls. They are a part of the instance's first memory.
const ARENA: usize = 128 << 10;
const PAGE: usize = 64 << 10;
/// Blocks up to this size come in steps of [`STEP`], larger ones in powers of two.
const SMALL: usize = 512;
const STEP: usize = 16;
const SMALL_CLASSES: usize = SMALL / STEP;
const CLASSES: usize = SMALL_CLASSES + 32;

#[repr(C, align(16))]
struct Arena(UnsafeCell<MaybeUninit<[u8; ARENA]>>);

/// The free memory.
struct State {
    next: usize,
    end: usize,
    lists: [*mut Block; CLASSES],
}

/// A free block holds the address of the next one.
struct Block {
    next: *mut Block,
}

pub struct Heap(UnsafeCell<State>);

// SAFETY: WebAssembly without threads has only one thread.
unsafe impl Sync for Heap {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

static SPACE: Arena = Arena(UnsafeCell::new(MaybeUninit::uninit()));

impl Heap {
    pub const fn new() -> Self {
        Self(UnsafeCell::new(State { next: 0, end: 0, lists: [ptr::null_mut(); CLASSES] }))
    }
}

/// The class of a size, and the size of its blocks. Each size of a class is a multiple of [`STEP`].
fn class(size: usize) -> (usize, usize) {
    if size <= SMALL {
        let steps = size.div_ceil(STEP).max(1);
        (steps - 1, steps * STEP)
    } else {
        let held = size.next_power_of_two();
        (SMALL_CLASSES + held.trailing_zeros() as usize, held)
    }
}

impl State {
    fn take(&mut self, held: usize) -> *mut u8 {
        if self.end - self.next < held && !self.grow(held) {
            return ptr::null_mut();
        }
        let at = self.next;
        self.next += held;
        at as *mut u8
    }

    #[cold]
    fn grow(&mut self, held: usize) -> bool {
        if self.end == 0 {
            self.next = SPACE.0.get() as usize;
            self.end = self.next + ARENA;
            if held <= ARENA {
                return true;
            }
        }
        // At least a quarter of a megabyte, because each growth is a call to the host.
        let pages = held.div_ceil(PAGE).max(4);
        let old = wasm32::memory_grow(0, pages);
        if old == usize::MAX {
            return false;
        }
        let start = old * PAGE;
        // Other code may have grown the memory in between. The rest of the old arena then stays unused.
        if start != self.end {
            self.next = start;
        }
        self.end = start + pages * PAGE;
        true
    }
}

// SAFETY: blocks are disjoint and aligned to `STEP`. Each is as large as its class, and its class is at least as large
// as the request. A larger alignment gets a block from the arena's end with space for it, which is never reused.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: there is one thread, and the code below doesn't call back into the allocator.
        let state = unsafe { &mut *self.0.get() };
        if layout.align() > STEP {
            let at = state.take(layout.size() + layout.align());
            return if at.is_null() { at } else { (at as usize).next_multiple_of(layout.align()) as *mut u8 };
        }
        let (class, held) = class(layout.size());
        let block = state.lists[class];
        if block.is_null() {
            return state.take(held);
        }
        // SAFETY: a block in a list is free and holds the address of the next one.
        state.lists[class] = unsafe { (*block).next };
        block.cast()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.align() > STEP {
            return;
        }
        // SAFETY: as in `alloc`.
        let state = unsafe { &mut *self.0.get() };
        let (class, _) = class(layout.size());
        let block = block.cast::<Block>();
        // SAFETY: the caller gives up the block, and every block is large enough for a pointer.
        unsafe { (*block).next = state.lists[class] };
        state.lists[class] = block;
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() <= STEP {
            let (_, held) = class(layout.size());
            if size <= held && (size > SMALL) == (layout.size() > SMALL) && class(size).1 == held {
                return block;
            }
        }
        // SAFETY: the caller's layout is valid, and so is one with the same alignment and the new size.
        unsafe {
            let larger = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !larger.is_null() {
                ptr::copy_nonoverlapping(block, larger, layout.size().min(size));
                self.dealloc(block, layout);
            }
            larger
        }
    }
}
