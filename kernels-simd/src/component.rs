//! The kernels under the names that `wit/kernels.wit` gives them, and a way into the memory for hosts that
//! cannot see it.
//!
//! The plain exports stay: a host that holds the core instance calls those.

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
    ($($wit:literal $name:ident $kernel:path;)*) => { $(
        #[export_name = concat!("sirocco:kernels/kernels@0.1.0#", $wit)]
        unsafe extern "C" fn $name(args: usize, first: usize, last: usize) {
            $kernel(&mut *(args as *mut _), first, last)
        }
    )* };
}

exports! {
    "quantize-activations" quantize_activations crate::activation::quantize_activations;
    "rms-norm" rms_norm crate::elementwise::rms_norm;
    "rope-norm" rope_norm crate::elementwise::rope_norm;
    "rope-neox" rope_neox crate::elementwise::rope_neox;
    "swiglu" swiglu crate::elementwise::swiglu;
    "add-to" add_to crate::elementwise::add_to;
    "layer-norm" layer_norm crate::elementwise::layer_norm;
    "geglu" geglu crate::elementwise::geglu;
    "gelu" gelu crate::elementwise::gelu;
    "scale" scale crate::elementwise::scale;
    "add-row" add_row crate::elementwise::add_row;
    "combine" combine crate::elementwise::combine;
    "logit-maxima" logit_maxima crate::sampling::logit_maxima;
    "logit-best" logit_best crate::sampling::logit_best;
    "logit-masses" logit_masses crate::sampling::logit_masses;
    "logit-draw" logit_draw crate::sampling::logit_draw;
    "kv-store-f32" kv_store_f32 crate::kv::kv_store_f32;
    "attention-f32" attention_f32 crate::attention::attention_f32;
    "kv-store-f16" kv_store_f16 crate::kv::kv_store_f16;
    "attention-f16" attention_f16 crate::attention::attention_f16;
    "kv-store-q80" kv_store_q8_0 crate::kv::kv_store_q8_0;
    "attention-q80" attention_q8_0 crate::attention::attention_q8_0;
    "repack-f32" repack_f32 crate::float::repack_f32;
    "embed-f32" embed_f32 crate::float::embed_f32;
    "matmul-f32" matmul_f32 crate::float::matmul_f32;
    "repack-f16" repack_f16 crate::float::repack_f16;
    "embed-f16" embed_f16 crate::float::embed_f16;
    "matmul-f16" matmul_f16 crate::float::matmul_f16;
    "repack-bf16" repack_bf16 crate::float::repack_bf16;
    "embed-bf16" embed_bf16 crate::float::embed_bf16;
    "matmul-bf16" matmul_bf16 crate::float::matmul_bf16;
    "repack-q40" repack_q4_0 crate::matmul::repack_q4_0;
    "embed-q40" embed_q4_0 crate::matmul::embed_q4_0;
    "matmul-q40" matmul_q4_0 crate::matmul::matmul_q4_0;
    "repack-q41" repack_q4_1 crate::matmul::repack_q4_1;
    "embed-q41" embed_q4_1 crate::matmul::embed_q4_1;
    "matmul-q41" matmul_q4_1 crate::matmul::matmul_q4_1;
    "repack-q50" repack_q5_0 crate::matmul::repack_q5_0;
    "embed-q50" embed_q5_0 crate::matmul::embed_q5_0;
    "matmul-q50" matmul_q5_0 crate::matmul::matmul_q5_0;
    "repack-q51" repack_q5_1 crate::matmul::repack_q5_1;
    "embed-q51" embed_q5_1 crate::matmul::embed_q5_1;
    "matmul-q51" matmul_q5_1 crate::matmul::matmul_q5_1;
    "repack-q80" repack_q8_0 crate::matmul::repack_q8_0;
    "embed-q80" embed_q8_0 crate::matmul::embed_q8_0;
    "matmul-q80" matmul_q8_0 crate::matmul::matmul_q8_0;
    "repack-q2k" repack_q2_k crate::matmul::repack_q2_k;
    "embed-q2k" embed_q2_k crate::matmul::embed_q2_k;
    "matmul-q2k" matmul_q2_k crate::matmul::matmul_q2_k;
    "repack-q3k" repack_q3_k crate::matmul::repack_q3_k;
    "embed-q3k" embed_q3_k crate::matmul::embed_q3_k;
    "matmul-q3k" matmul_q3_k crate::matmul::matmul_q3_k;
    "repack-q4k" repack_q4_k crate::matmul::repack_q4_k;
    "embed-q4k" embed_q4_k crate::matmul::embed_q4_k;
    "matmul-q4k" matmul_q4_k crate::matmul::matmul_q4_k;
    "repack-q5k" repack_q5_k crate::matmul::repack_q5_k;
    "embed-q5k" embed_q5_k crate::matmul::embed_q5_k;
    "matmul-q5k" matmul_q5_k crate::matmul::matmul_q5_k;
    "repack-q6k" repack_q6_k crate::matmul::repack_q6_k;
    "embed-q6k" embed_q6_k crate::matmul::embed_q6_k;
    "matmul-q6k" matmul_q6_k crate::matmul::matmul_q6_k;
    "repack-iq4nl" repack_iq4_nl crate::matmul::repack_iq4_nl;
    "embed-iq4nl" embed_iq4_nl crate::matmul::embed_iq4_nl;
    "matmul-iq4nl" matmul_iq4_nl crate::matmul::matmul_iq4_nl;
    "repack-iq4xs" repack_iq4_xs crate::matmul::repack_iq4_xs;
    "embed-iq4xs" embed_iq4_xs crate::matmul::embed_iq4_xs;
    "matmul-iq4xs" matmul_iq4_xs crate::matmul::matmul_iq4_xs;
    "repack-mxfp4" repack_mxfp4 crate::matmul::repack_mxfp4;
    "embed-mxfp4" embed_mxfp4 crate::matmul::embed_mxfp4;
    "matmul-mxfp4" matmul_mxfp4 crate::matmul::matmul_mxfp4;
}
