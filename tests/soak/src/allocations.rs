//! What this program has allocated and not freed. What libraries in C allocate is not seen.

#![expect(
    unsafe_code,
    reason = "an allocator is unsafe to implement; this one counts and leaves the work to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};

/// What is allocated at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allocated {
    pub(crate) bytes: i64,
    pub(crate) blocks: i64,
}

static BYTES: AtomicI64 = AtomicI64::new(0);
static BLOCKS: AtomicI64 = AtomicI64::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

/// Now.
pub(crate) fn now() -> Allocated {
    Allocated { bytes: BYTES.load(Ordering::Relaxed), blocks: BLOCKS.load(Ordering::Relaxed) }
}

struct Counting;

fn count(bytes: usize, sign: i64) {
    BYTES.fetch_add(sign * bytes as i64, Ordering::Relaxed);
    BLOCKS.fetch_add(sign, Ordering::Relaxed);
}

// SAFETY: each call goes to the system's allocator with the arguments that came, and its result is returned as it is. `realloc` and
// `alloc_zeroed` are those that the trait makes of these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises of the layout what the system's allocator wants.
        let block = unsafe { System.alloc(layout) };
        if !block.is_null() {
            count(layout.size(), 1);
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `alloc` with this layout, and so from the system's allocator.
        unsafe { System.dealloc(block, layout) };
        count(layout.size(), -1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_counted_and_what_is_freed_is_not() {
        const SIZE: usize = 100 << 20; // Far more than other tests have at the same time.
        let before = now();
        let kept = vec![1_u8; SIZE];
        assert!(now().bytes - before.bytes >= SIZE as i64 / 2, "{:?} {before:?}", now());
        drop(kept);
        assert!(now().bytes - before.bytes < SIZE as i64 / 2);
    }
}
