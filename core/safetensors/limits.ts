/** What a safetensors header may ask for: a hostile file declares lengths. */

/**
 * Bytes of one file's header. The format allows 100 MB; the largest real ones, of files with some thousand
 * tensors, take less than 1 MB.
 */
export const MAX_SAFETENSORS_HEADER_BYTES: number = 16 * 2 ** 20;
/** Dimensions of a tensor: what GGUF can name, and one more for convolutions that are passed over. */
export const MAX_SAFETENSORS_DIMENSIONS = 8;
/** Characters of a tensor's name. Real ones stay below 100. */
export const MAX_SAFETENSORS_NAME = 512;
