import type { LocalArena } from "./arena.ts";

/** Room for the arguments of one region: a batch has a part per sequence, 64 bytes each. */
export const RING_BYTES: number = 64 * 1024;

/** Bytes of the largest argument struct, rounded up to a cache line. */
export const STRUCT_BYTES = 64;

/** Writes kernels' argument structs (their `#[repr(C)]` fields, four bytes each) to linear memory. */
export interface ArgsWriter {
  /** The offset of a struct of integers; it stays as it is for the next thousand structs. */
  put(...fields: readonly number[]): number;
  /** As {@linkcode put}, with one more field, a float. */
  putFloat(last: number, ...fields: readonly number[]): number;
}

/** Structs in a ring: a region's kernels read them before it comes around. */
export function createArgs(arena: LocalArena): ArgsWriter {
  const base = arena.take("arguments", RING_BYTES);
  let next = 0;
  const advance = (): number => {
    const at = base + next;
    next = (next + STRUCT_BYTES) % RING_BYTES;
    return at;
  };
  return {
    put(...fields) {
      const at = advance();
      const { words } = arena;
      for (let i = 0; i < fields.length; i++) words[at / 4 + i] = fields[i]!;
      return at;
    },
    putFloat(last, ...fields) {
      const at = advance();
      const { words, floats } = arena;
      for (let i = 0; i < fields.length; i++) words[at / 4 + i] = fields[i]!;
      floats[at / 4 + fields.length] = last;
      return at;
    },
  };
}
