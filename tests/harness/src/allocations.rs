//! What a program of tests has allocated in Rust and not freed, in all and by thread. What libraries in C allocate is not seen.
//!
//! It counts where a program declares `#[global_allocator] static COUNTING: Counting = Counting;`.

#![expect(
    unsafe_code,
    reason = "an allocator is unsafe to implement; this one counts and leaves the work to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};

/// The allocator that counts.
pub struct Counting;

/// What is allocated at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocated {
    /// Bytes.
    pub bytes: i64,
    /// Blocks.
    pub blocks: i64,
}

static BYTES: AtomicI64 = AtomicI64::new(0);
static BLOCKS: AtomicI64 = AtomicI64::new(0);

thread_local! {
    /// Bytes allocated and not yet freed by this thread. What another thread frees stays counted.
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

/// By all threads, now.
#[must_use]
pub fn now() -> Allocated {
    Allocated { bytes: BYTES.load(Ordering::Relaxed), blocks: BLOCKS.load(Ordering::Relaxed) }
}

/// The most bytes that the calling thread had allocated at a time while this ran, beyond those before it.
pub fn peak(run: impl FnOnce()) -> u64 {
    let before = LIVE.get();
    PEAK.set(before);
    run();
    (PEAK.get() - before).unsigned_abs()
}

fn count(bytes: usize, sign: i64) {
    let bytes = sign * bytes as i64;
    BYTES.fetch_add(bytes, Ordering::Relaxed);
    BLOCKS.fetch_add(sign, Ordering::Relaxed);
    // A thread that ends has no counters any more, and frees what is left.
    let _gone = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _gone = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: each call goes to the system's allocator with the arguments that came, and its result is returned as it is; counting allocates
// nothing. `realloc` and `alloc_zeroed` are those that the trait makes of these two.
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

    #[global_allocator]
    static COUNTING: Counting = Counting;

    #[test]
    fn what_is_kept_is_counted_and_what_is_freed_is_not() {
        const SIZE: usize = 100 << 20; // Far more than other tests have at the same time.
        let before = now();
        let kept = vec![1_u8; SIZE];
        assert!(now().bytes - before.bytes >= SIZE as i64 / 2, "{:?} {before:?}", now());
        drop(kept);
        assert!(now().bytes - before.bytes < SIZE as i64 / 2);
    }

    #[test]
    fn the_peak_of_a_thread_is_what_it_had_at_a_time() {
        let peak = peak(|| (0..3).for_each(|_| drop(std::hint::black_box(vec![1_u8; 1 << 20]))));
        assert!((1 << 20..2 << 20).contains(&peak), "{peak}");
    }
}
