import { readFileSync } from "node:fs";
import type { GgufModel, MetadataValue, TensorInfo } from "../../core/gguf/gguf.ts";

/** A checkpoint of an architecture, as `architectures.py` writes it, and what goes in. */
export interface GoldenCheckpoint {
  readonly name: string;
  readonly metadata: Readonly<Record<string, MetadataValue>>;
  readonly tensors: readonly (readonly [
    name: string,
    shape: readonly number[],
    kind: string | readonly number[],
  ])[];
  /** What the checkpoint's `config.json` says. */
  readonly config: Readonly<Record<string, unknown>> & { readonly num_attention_heads: number };
  /** What Hugging Face calls tensors, by their names in GGUF; those that it stacks otherwise are left out. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly prompt: readonly number[];
}

/** An encoder and what transformers computed with it. */
export interface GoldenEncoder extends GoldenCheckpoint {
  /** [prompt, dim] the final states of all tokens. */
  readonly states: readonly number[];
}

/** A decoder and what transformers computed with it. */
export interface GoldenCase extends GoldenCheckpoint {
  /** [vocab] after the prompt. */
  readonly logits: readonly number[];
  /** The tokens that follow greedily, and the smallest gap between the two best logits on the way. */
  readonly greedy: readonly number[];
  readonly margin: number;
}

/** What is in `architectures.json`. */
export interface Goldens {
  readonly cases: readonly GoldenCase[];
  readonly encoders: readonly GoldenEncoder[];
}

/** Every case of `architectures.json`. */
export function readGoldens(): Goldens {
  const file = new URL("architectures.json", import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")) as Goldens;
}

/** The checkpoint of a case, float32 throughout. */
export function goldenModel({ metadata, tensors }: GoldenCheckpoint): GgufModel {
  const infos = new Map<string, TensorInfo>();
  const bytes = new Map<string, Uint8Array>();
  let end = 0;
  for (const [name, shape, kind] of tensors) {
    const values =
      typeof kind === "string" ? goldenValues(name, shape, kind) : Float32Array.from(kind);
    bytes.set(name, new Uint8Array(values.buffer));
    const { byteLength } = values;
    infos.set(name, { name, type: "f32", shape, byteLength, shard: 0, offset: end });
    end += byteLength;
  }
  return {
    version: 3,
    metadata: new Map(Object.entries(metadata)),
    tensors: infos,
    byteLength: end,
    read(tensor, offset, into) {
      into.set(bytes.get(tensor.name)!.subarray(offset, offset + into.byteLength));
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

/** Powers of two: products with them are exact. */
const SCALES: Readonly<Record<string, number>> = {
  bias: 0.25,
  head: 1,
  embedding: 1,
  "tied embedding": 0.25,
  "scaled embedding": 0.125,
};

/** `values` of values.py: the same bits. */
export function goldenValues(name: string, shape: readonly number[], kind: string): Float32Array {
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) state = Math.imul(state ^ byte, 0x01000193);
  const count = shape.reduce((product, size) => product * size, 1);
  const scale = SCALES[kind] ?? 2 ** Math.round(Math.log2(2 / Math.sqrt(shape.at(-1)!)));
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    const fraction = ((mixed ^ (mixed >>> 14)) >>> 8) * 2 ** -23 - 1;
    return kind === "norm" ? 1 + 0.25 * fraction : scale * fraction;
  });
}
