//! The allocator of the command: mimalloc, asked for no more than is needed. Programs that embed the library may use it too.
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: expressway::allocator::Allocator = expressway::allocator::Allocator;
//! # fn main() {}
//! ```
//!
//! The crate `mimalloc` asks for an alignment with every allocation, although all blocks have that of a word, and those of
//! sixteen bytes and more that of two. mimalloc then takes no block that has been freed to a page before the page is
//! sorted out, but a larger one of another page, so that one allocation in five of an execution took the slow way.

#![allow(unsafe_code, reason = "an allocator")]

use std::{
    alloc::{GlobalAlloc, Layout},
    ffi::c_void,
};

// What the functions below come from.
use mimalloc::MiMalloc;

// SAFETY: the signatures are those of mimalloc's `mimalloc.h`, which the crate links. `mi_collect` may be called from any thread at
// any time.
unsafe extern "C" {
    fn mi_malloc(size: usize) -> *mut c_void;
    fn mi_zalloc(size: usize) -> *mut c_void;
    fn mi_realloc(block: *mut c_void, size: usize) -> *mut c_void;
    safe fn mi_collect(force: bool);
}

/// mimalloc, to be named as `#[global_allocator]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocator;

/// Gives memory back to the system that nothing has used for a second. mimalloc itself does so only while more is allocated.
pub fn give_back() {
    mi_collect(false);
}

/// Whether every block of the size is aligned like that (mimalloc's `mi_malloc`: `MI_MAX_ALIGN_SIZE` is 16).
#[inline]
fn is_aligned(size: usize, alignment: usize) -> bool {
    const WORD: usize = 8;
    const TWO_WORDS: usize = 16;
    alignment <= WORD || (alignment <= TWO_WORDS && size >= TWO_WORDS)
}

// SAFETY: each function hands its caller's promises on to the function of mimalloc that is made for it; where no alignment is
// asked for, the block has it by itself. All blocks come from mimalloc, which frees each of them alike.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_aligned(layout.size(), layout.align()) {
            // SAFETY: as said at the `impl`.
            unsafe { mi_malloc(layout.size()).cast() }
        } else {
            // SAFETY: as said at the `impl`.
            unsafe { MiMalloc.alloc(layout) }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_aligned(layout.size(), layout.align()) {
            // SAFETY: as said at the `impl`.
            unsafe { mi_zalloc(layout.size()).cast() }
        } else {
            // SAFETY: as said at the `impl`.
            unsafe { MiMalloc.alloc_zeroed(layout) }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as said at the `impl`.
        unsafe { MiMalloc.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if is_aligned(new_size, layout.align()) {
            // SAFETY: as said at the `impl`.
            unsafe { mi_realloc(block.cast(), new_size).cast() }
        } else {
            // SAFETY: as said at the `impl`.
            unsafe { MiMalloc.realloc(block, layout, new_size) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_all_sizes_are_aligned_and_keep_what_is_in_them() {
        for alignment in [1, 2, 4, 8, 16, 32, 64, 4096] {
            for size in (1..200).chain([1000, 1024, 5000, 70_000, 3 << 20]) {
                let layout = Layout::from_size_align(size, alignment).unwrap();
                // SAFETY: no size is zero, every block is freed once and with its own layout, and nothing is read or written
                // outside of it.
                unsafe {
                    let block = Allocator.alloc(layout);
                    assert!(!block.is_null() && block.addr().is_multiple_of(alignment), "{size} {alignment}");
                    block.write_bytes(7, size);
                    let grown = Allocator.realloc(block, layout, size * 2);
                    assert!(!grown.is_null() && grown.addr().is_multiple_of(alignment), "{size} {alignment}");
                    assert!(std::slice::from_raw_parts(grown, size).iter().all(|byte| *byte == 7));
                    Allocator.dealloc(grown, Layout::from_size_align(size * 2, alignment).unwrap());
                    let zeroed = Allocator.alloc_zeroed(layout);
                    assert!(!zeroed.is_null() && zeroed.addr().is_multiple_of(alignment), "{size} {alignment}");
                    assert!(std::slice::from_raw_parts(zeroed, size).iter().all(|byte| *byte == 0));
                    Allocator.dealloc(zeroed, layout);
                }
            }
        }
    }
}
