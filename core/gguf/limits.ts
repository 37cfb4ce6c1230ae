/**
 * What a GGUF header may ask for. A hostile file declares lengths; these bound the time and the memory
 * that believing it could cost, far above what real models use.
 */

/**
 * Header bytes in all. The largest vocabularies (262 144 tokens with scores, types, merges and a chat
 * template) take less than 20 MiB; everything a header makes us allocate is a multiple of its bytes.
 */
export const MAX_HEADER_BYTES: number = 64 * 2 ** 20;
/** One string. Chat templates are the longest real ones, at some 20 KiB. */
export const MAX_STRING_BYTES: number = 16 * 2 ** 20;
/** One key, by the GGUF specification. */
export const MAX_KEY_BYTES = 65_535;
/** One tensor's name, by the GGUF specification. */
export const MAX_TENSOR_NAME_BYTES = 64;
/** Elements of one array. Merges are the longest real arrays, below 600 000. */
export const MAX_ARRAY_ELEMENTS = 2_000_000;
/** Elements of all arrays. A boolean takes one byte in the file and eight with us. */
export const MAX_TOTAL_ELEMENTS = 8_000_000;
/** Arrays that lie in arrays, in all: each costs some microseconds, whatever it holds. */
export const MAX_NESTED_ARRAYS = 65_536;
/** Arrays within arrays: an array of arrays is allowed, and no file is known to need it. */
export const MAX_ARRAY_DEPTH = 2;
/** Metadata entries. Real files have fewer than 100. */
export const MAX_METADATA_ENTRIES = 65_536;
/** Tensors of all shards. A model of 1 000 layers with 100 tensors each would have half of that. */
export const MAX_TENSORS = 200_000;
/** Dimensions of a tensor, by GGML. */
export const MAX_DIMENSIONS = 4;
/** `general.alignment`. Files use 32; GPU pages of 64 KiB are the largest sensible reason for more. */
export const MAX_ALIGNMENT = 65_536;
/** Files of a split model, each of which stays open. The largest published models have about 150. */
export const MAX_SHARDS = 512;
