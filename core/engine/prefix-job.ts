import type { RuntimeError } from "../errors.ts";
import type { Job } from "./job.ts";
import { NO_STOPS } from "./job.ts";
import type { KvPrefix, KvPrefixes } from "./kv-prefix.ts";
import { createSequence } from "./sequence.ts";

/** Who waits for a prefix. */
export interface PrefixReader {
  resolve(prefix: KvPrefix): void;
  reject(error: RuntimeError): void;
}

/** Computes tokens for their keys and values alone, which are copied out before the blocks are given back. */
export function createPrefixJob(
  tokens: readonly number[],
  prefixes: KvPrefixes,
  reader: PrefixReader,
  arrived: number,
): Job {
  const sequence = createSequence(tokens, tokens.length, tokens.length, NO_STOPS);
  let prefix: KvPrefix | undefined;
  return {
    sequence,
    arrived,
    deadline: Infinity,
    begin: () => {},
    ask: () => {},
    take: () => undefined,
    async capture() {
      prefix = await prefixes.read(tokens, sequence.blocks);
    },
    finish() {
      if (prefix === undefined) throw new Error("Cannot finish a prefix: it was not copied");
      reader.resolve(prefix);
    },
    fail: (error) => reader.reject(error),
  };
}
