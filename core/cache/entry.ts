import type { ChoiceEvent } from "../answer/several.ts";
import type { Head } from "../http/wire/format.ts";
import type { Scope } from "./scope.ts";

/** A complete answer, with where it came from. */
export interface CachedAnswer {
  /** The key that it is kept under; checked when it is read. */
  readonly key: string;
  /** Whose it is; checked when it is read. */
  readonly tenant: string;
  /** What purges it: `model:…`, `tenant:…`, `policy:…`. */
  readonly tags: readonly string[];
  /** Milliseconds since 1970 when it was complete. */
  readonly storedAt: number;
  /** Milliseconds for which it is fresh, from `storedAt` on. */
  readonly freshMs: number;
  /** What every chunk of it repeats: id, time, model, fingerprint. */
  readonly head: Head;
  /** Every event in order, the last of them `done`: enough to send the same bytes again, whole or in pieces. */
  readonly events: readonly ChoiceEvent[];
}

/** Says that answers are found elsewhere: the same tokens were asked for in other words. */
export interface CachedPointer {
  readonly key: string;
  readonly tenant: string;
  readonly storedAt: number;
  /** The key to look under. */
  readonly see: string;
}

/** What the bytes under a key mean. */
export type CacheRecord = CachedAnswer | CachedPointer;

/** First in the bytes of every record; another form of record gets another number. */
const MAGIC = "sirocco-answer/1";

/** A longer answer is not kept: no answer of ours comes near it, and a store may have been written to. */
export const MAX_RECORD_BYTES: number = 4 * 1024 * 1024;

/** `MAGIC`, the seal and the record as JSON, a line each. */
export function encodeRecord(record: CacheRecord, scope: Scope): Uint8Array {
  const json = JSON.stringify(record);
  return new TextEncoder().encode(`${MAGIC}\n${scope.seal(json)}\n${json}`);
}

/**
 * The record in `bytes`, or `undefined` where they are not what {@linkcode encodeRecord} made for this
 * partition and key: cut short, changed, another version's, another tenant's, moved from another key.
 */
export function decodeRecord(
  bytes: Uint8Array,
  scope: Scope,
  expected: { readonly key: string; readonly tenant: string },
): CacheRecord | undefined {
  if (bytes.byteLength > MAX_RECORD_BYTES) return undefined;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
  if (!text.startsWith(`${MAGIC}\n`)) return undefined;
  const end = text.indexOf("\n", MAGIC.length + 1);
  const json = text.slice(end + 1);
  // The seal is over the JSON with a key that only we have: what passes is what we wrote.
  if (end < 0 || text.slice(MAGIC.length + 1, end) !== scope.seal(json)) return undefined;
  const record = JSON.parse(json) as CacheRecord;
  return record.key === expected.key && record.tenant === expected.tenant ? record : undefined;
}
