//! sirocco's CPU kernels: everything a decoder step does, over one linear memory that the host lays out.
//!
//! Strict numerics. Every f32 output is a fixed sequence of IEEE operations: integer dot products are
//! exact in any order, additions of f32 happen in one order per output whatever the batch, there is no
//! fused multiply-add, and exp is ours. So all builds of this crate give the same bits.
//!
//! The host (backends/wasm) passes byte offsets that it has laid out itself; nothing here allocates.
#![no_std]

mod activation;
mod attention;
mod elementwise;
mod float;
mod math;
mod matmul;
mod quant;
mod simd;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
