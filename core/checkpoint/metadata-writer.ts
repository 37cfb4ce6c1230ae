import type { MetadataType, MetadataValue } from "../gguf/gguf.ts";

/** Collects metadata with the types that llama.cpp's converter gives it, under a prefix where a key is one model's. */
export interface MetadataWriter {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** The type of each value, of an array its elements'. */
  readonly types: ReadonlyMap<string, MetadataType>;
  /** Set a value, or nothing where it is `undefined`. */
  set(key: string, type: MetadataType, value: MetadataValue | undefined): void;
}

/** A writer without entries. */
export function createMetadataWriter(): MetadataWriter {
  const metadata = new Map<string, MetadataValue>();
  const types = new Map<string, MetadataType>();
  return {
    metadata,
    types,
    set(key, type, value) {
      if (value === undefined) return;
      // What a file would hold: a norm's epsilon of another precision is another model.
      metadata.set(key, type === "f32" && typeof value === "number" ? Math.fround(value) : value);
      types.set(key, type);
    },
  };
}
