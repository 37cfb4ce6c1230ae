import { RuntimeError } from "../errors.ts";
import type { Model } from "../model/model.ts";
import type { Backend, KvLayer } from "../tensor/backend.ts";
import type { Sequence } from "./sequence.ts";

/** Keys and values of a text's first tokens: what an engine would compute of them, copied out. */
export interface KvPrefix {
  /** Whole blocks of tokens. */
  readonly tokens: Uint32Array;
  /** [blocks, layers, bytes of a block of one layer], as the backend stores them. */
  readonly data: Uint8Array;
}

/** The prefixes that an engine was given, and its way to copy them in and out. */
export interface KvPrefixes {
  /** Tokens of whole blocks among `count`. */
  whole(count: number): number;
  /** Copy out what `blocks` hold of `tokens`. Throws `MODEL_UNSUPPORTED` where the backend cannot. */
  read(tokens: readonly number[], blocks: readonly number[]): Promise<KvPrefix>;
  /** Remember a prefix for {@linkcode fill}. Throws `RangeError` for one of another shape. */
  add(prefix: KvPrefix): Promise<void>;
  /**
   * Fill a sequence's blocks, those after its first `computed` positions, with what is known of its tokens
   * before the first whose logits are wanted. Returns how many positions are computed then.
   */
  fill(sequence: Sequence, computed: number): number;
}

type CopyingBackend = Backend & Required<Pick<Backend, "readKv" | "writeKv">>;

/** No prefix is known yet. */
export function createKvPrefixes(backend: Backend, model: Model): KvPrefixes {
  const { blockSize } = model.limits;
  const prefixes: KvPrefix[] = [];
  const whole = (count: number): number => Math.floor(count / blockSize) * blockSize;

  function access(): { readonly copying: CopyingBackend; readonly cache: readonly KvLayer[] } {
    if (!canCopy(backend)) {
      throw new RuntimeError(
        "MODEL_UNSUPPORTED",
        `Cannot save or restore a cache: the ${backend.name} backend cannot copy it`,
      );
    }
    return { copying: backend, cache: model.cache };
  }

  async function read(tokens: readonly number[], blocks: readonly number[]): Promise<KvPrefix> {
    const { copying, cache } = access();
    const parts: Uint8Array[] = [];
    for (const block of blocks.slice(0, whole(tokens.length) / blockSize)) {
      for (const layer of cache)
        parts.push(await copying.readKv(layer, block * blockSize, blockSize));
    }
    const data = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
    let at = 0;
    for (const part of parts) {
      data.set(part, at);
      at += part.byteLength;
    }
    return { tokens: Uint32Array.from(tokens.slice(0, whole(tokens.length))), data };
  }

  async function add(prefix: KvPrefix): Promise<void> {
    const { copying, cache } = access();
    const { tokens, data } = prefix;
    let bytes = 0;
    for (const layer of cache) bytes += (await copying.readKv(layer, 0, blockSize)).byteLength;
    if (
      whole(tokens.length) !== tokens.length ||
      data.byteLength * blockSize !== bytes * tokens.length
    ) {
      throw new RangeError(
        `Cannot restore ${data.byteLength} bytes of cache for ${tokens.length} tokens: ${blockSize} take ${bytes}`,
      );
    }
    prefixes.push(prefix);
  }

  /** Tokens of whole blocks that a prefix and a sequence have in common and that are of use. */
  function common({ tokens }: KvPrefix, sequence: Sequence): number {
    // The position whose logits are wanted has to be computed.
    const most = Math.min(tokens.length, sequence.wanted, sequence.tokens.length - 1);
    let count = 0;
    while (count < most && tokens[count] === sequence.tokens[count]) count++;
    return whole(count);
  }

  function fill(sequence: Sequence, computed: number): number {
    // What is saved was computed by the model alone.
    if (sequence.lora.length > 0) return computed;
    let longest = computed;
    let source: KvPrefix | undefined;
    for (const prefix of prefixes) {
      const count = common(prefix, sequence);
      if (count > longest) [longest, source] = [count, prefix];
    }
    if (source === undefined) return computed;
    const { copying, cache } = access();
    const { tokens, data } = source;
    const bytes = (data.byteLength * blockSize) / tokens.length / cache.length;
    for (let block = computed / blockSize; block < longest / blockSize; block++) {
      for (const [i, layer] of cache.entries()) {
        const at = (block * cache.length + i) * bytes;
        copying.writeKv(layer, sequence.blocks[block]! * blockSize, data.subarray(at, at + bytes));
      }
    }
    return longest;
  }

  return { whole, read, add, fill };
}

function canCopy(backend: Backend): backend is CopyingBackend {
  return backend.readKv !== undefined && backend.writeKv !== undefined;
}
