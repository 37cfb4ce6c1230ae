//! sirocco's CPU kernels: everything a decoder step does, over one linear memory that the host lays out.
//!
//! Strict numerics. Every f32 output is a fixed sequence of IEEE operations: integer dot products are
//! exact in any order, additions of f32 happen in one order per output whatever the batch, there is no
//! fused multiply-add, and exp is ours. So all builds of this crate give the same bits.
//!
//! Every export has one form, `kernel(args, first, last)`: `args` is a struct of offsets and sizes that the
//! host (backends/wasm) wrote to linear memory, `first..last` a range of the kernel's units (rows, panels,
//! heads). Units never share an output, and a unit's bits depend on nothing but `args`: threads may divide
//! an operation as they like. Nothing here allocates.
#![cfg_attr(not(feature = "std"), no_std)]

mod activation;
mod attention;
#[cfg(feature = "component")]
mod component;
mod elementwise;
mod float;
mod kv;
mod math;
mod matmul;
mod quant;
mod sampling;
mod simd;

#[cfg(not(feature = "std"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
