/** @module Interface sirocco:kernels/memory@0.1.0 **/
/**
 * The first byte that is neither stack nor static data.
 */
export function heapBase(): number;
/**
 * Bytes of memory.
 */
export function size(): bigint;
/**
 * Add `pages` of 64 KiB, zeroed; `false` where there is no room for them.
 */
export function grow(pages: number): boolean;
/**
 * Where the bytes of the next `write` go.
 */
export function seek(offset: number): void;
/**
 * Copy `bytes` in, once, to where `seek` said.
 */
export function write(bytes: Uint8Array): void;
/**
 * Copy `length` bytes out.
 */
export function read(offset: number, length: number): Uint8Array;
