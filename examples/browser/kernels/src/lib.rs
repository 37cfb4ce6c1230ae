//! sirocco's kernels for those who bundle from source: the exports of `kernels-simd` as they are, and
//! what wasm-bindgen would otherwise take away.

extern crate sirocco_kernels as _;

use std::alloc::{GlobalAlloc, Layout};
use wasm_bindgen::prelude::wasm_bindgen;

/// Kernels do not allocate, and the host lays the memory out: an allocator would take what is its own.
struct NoAllocator;

// SAFETY: null is how an allocator says that it has no memory, and nothing was handed out to free.
unsafe impl GlobalAlloc for NoAllocator {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        std::ptr::null_mut()
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoAllocator = NoAllocator;

extern "C" {
    /// The linker's symbol: its address is the first byte after stack and static data.
    static __heap_base: u8;
}

/// First byte that the host may use. wasm-bindgen drops the linker's own export of it.
#[wasm_bindgen(js_name = heapBase)]
pub fn heap_base() -> u32 {
    &raw const __heap_base as u32
}
