//! The kernels under the names that `wit/kernels.wit` gives them, with arguments by value (the canonical
//! ABI flattens a record into parameters), and a way into the memory for hosts that cannot see it.
//!
//! The plain exports stay: a host that holds the core instance calls those.

use crate::{activation::*, attention::*, elementwise::*, float::*, matmul::*};
use core::arch::wasm32::{memory_grow, memory_size};

extern "C" {
    static __heap_base: u8;
}

#[export_name = "sirocco:kernels/memory@0.1.0#heap-base"]
extern "C" fn heap_base() -> usize {
    &raw const __heap_base as usize
}

#[export_name = "sirocco:kernels/memory@0.1.0#size"]
extern "C" fn size() -> u64 {
    memory_size::<0>() as u64 * 65536
}

#[export_name = "sirocco:kernels/memory@0.1.0#grow"]
extern "C" fn grow(pages: usize) -> bool {
    memory_grow::<0>(pages) != usize::MAX
}

/// Where the canonical ABI puts the next list.
static mut NEXT: usize = 0;

/// The offset and length of the list that `read` returns.
static mut LIST: [usize; 2] = [0, 0];

#[export_name = "sirocco:kernels/memory@0.1.0#seek"]
unsafe extern "C" fn seek(offset: usize) {
    NEXT = offset;
}

/// The canonical ABI asks for room and copies a list there. The room is where `seek` said, so that bytes
/// are copied once and nothing is allocated.
#[export_name = "cabi_realloc"]
unsafe extern "C" fn realloc(_old: usize, _old_size: usize, _align: usize, _size: usize) -> usize {
    NEXT
}

/// The bytes are in place when this is called.
#[export_name = "sirocco:kernels/memory@0.1.0#write"]
extern "C" fn write(_offset: usize, _length: usize) {}

/// The caller copies the bytes out and checks that they lie inside of the memory.
#[export_name = "sirocco:kernels/memory@0.1.0#read"]
unsafe extern "C" fn read(offset: usize, length: usize) -> *const [usize; 2] {
    LIST = [offset, length];
    &raw const LIST
}

macro_rules! exports {
    ($($wit:literal, $name:ident = $kernel:ident($args:ident { $($field:ident: $type:ty),* });)*) => { $(
        #[export_name = concat!("sirocco:kernels/kernels@0.1.0#", $wit)]
        unsafe extern "C" fn $name($($field: $type,)* first: usize, last: usize) {
            $kernel(&$args { $($field),* }, first, last);
        }
    )* };
}

exports! {
    "quantize-activations", quantize_by_value = quantize_activations(QuantizeArgs {
        out: *mut u8, x: *const f32, k: usize
    });
    "rms-norm", rms_norm_by_value = rms_norm(NormArgs {
        out: *mut f32, x: *const f32, weight: *const f32, d: usize, eps: f32
    });
    "rope-norm", rope_norm_by_value = rope_norm(RopeArgs {
        x: *mut f32, rotation: *const f32, heads: usize, head_dim: usize, pairs: usize
    });
    "rope-neox", rope_neox_by_value = rope_neox(RopeArgs {
        x: *mut f32, rotation: *const f32, heads: usize, head_dim: usize, pairs: usize
    });
    "swiglu", swiglu_by_value = swiglu(SwigluArgs {
        out: *mut f32, gate: *const f32, up: *const f32, n: usize, d: usize
    });
    "add-to", add_to_by_value = add_to(AddArgs { x: *mut f32, y: *const f32, d: usize });
    "kv-store", kv_store_by_value = kv_store(StoreArgs {
        cache_k: *mut f32, cache_v: *mut f32, k: *const f32, v: *const f32, slots: *const u32,
        n: usize, kv_heads: usize, head_dim: usize
    });
    "attention", attention_by_value = attention(AttentionArgs {
        out: *mut f32, q: *const f32, cache_k: *const f32, cache_v: *const f32, blocks: *const u32,
        position: usize, heads: usize, kv_heads: usize, head_dim: usize, window: usize, scale: f32
    });
}

/// Choose a kernel by weight type, in the order of the interface's `weight-type`.
macro_rules! of_type {
    ($type:expr, $args:expr, $first:expr, $last:expr, $($kernel:ident)*) => {{
        let kernels = [$($kernel),*];
        // The canonical ABI has checked that the type is one of them.
        kernels.get_unchecked($type)($args, $first, $last)
    }};
}

#[export_name = "sirocco:kernels/kernels@0.1.0#repack"]
unsafe extern "C" fn repack_by_value(
    kind: usize, out: *mut u8, raw: *const u8, rows: usize, k: usize, first: usize, last: usize,
) {
    of_type!(kind, &RepackArgs { out, raw, rows, k }, first, last,
        repack_f32 repack_f16 repack_bf16 repack_q4_0 repack_q4_1 repack_q5_0 repack_q5_1 repack_q8_0
        repack_q2_k repack_q3_k repack_q4_k repack_q5_k repack_q6_k)
}

#[export_name = "sirocco:kernels/kernels@0.1.0#embed"]
unsafe extern "C" fn embed_by_value(
    kind: usize, out: *mut f32, panels: *const u8, tokens: *const u32, k: usize, first: usize, last: usize,
) {
    of_type!(kind, &EmbedArgs { out, panels, tokens, k }, first, last,
        embed_f32 embed_f16 embed_bf16 embed_q4_0 embed_q4_1 embed_q5_0 embed_q5_1 embed_q8_0
        embed_q2_k embed_q3_k embed_q4_k embed_q5_k embed_q6_k)
}

#[export_name = "sirocco:kernels/kernels@0.1.0#matmul"]
unsafe extern "C" fn matmul_by_value(
    kind: usize, out: *mut f32, panels: *const u8, x: *const u8,
    n: usize, m: usize, k: usize, first: usize, last: usize,
) {
    of_type!(kind, &MatmulArgs { out, panels, x, n, m, k }, first, last,
        matmul_f32 matmul_f16 matmul_bf16 matmul_q4_0 matmul_q4_1 matmul_q5_0 matmul_q5_1 matmul_q8_0
        matmul_q2_k matmul_q3_k matmul_q4_k matmul_q5_k matmul_q6_k)
}
