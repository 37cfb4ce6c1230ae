/**
 * A saved cache as bytes, little-endian:
 *
 * | bytes | content |
 * |---|---|
 * | 4 | `SKVS` |
 * | 4 | version of this format |
 * | 32 | SHA-256 of all that follows |
 * | 4 | bytes of the facts |
 * | 4 | tokens |
 * | … | the facts, a line each, UTF-8 |
 * | 4 each | the tokens |
 * | … | keys and values, see `KvPrefix.data` |
 *
 * The checksum finds damage, not malice: who can write a snapshot can make the model say anything, as who can
 * write its weights can.
 */
import type { KvPrefix } from "../engine/kv-prefix.ts";
import type { Numerics } from "../engine/numerics.ts";
import { RuntimeError } from "../errors.ts";

/** Version of the layout above. */
const FORMAT_VERSION = 1;
const MAGIC = 0x53_56_4b_53; // "SKVS", little-endian
const DIGEST_AT = 8;
const DIGEST_BYTES = 32;
const SEALED_AT = DIGEST_AT + DIGEST_BYTES;
const FACTS_AT = SEALED_AT + 8;
/** A digest, three names and four numbers take some 200. */
const MAX_FACTS_BYTES = 4096;
/** Above every context. */
const MAX_TOKENS = 2 ** 22;
const TOKEN_BYTES = 4;

/** All that has to be equal for saved bytes to be what an engine would compute. */
export interface SnapshotFacts {
  /** What identifies the weights. */
  readonly model: string;
  readonly numerics: Numerics;
  /** Tokens of the vocabulary. */
  readonly vocabSize: number;
}

/** Encode a prefix. Throws `RangeError` for one that no decoder would take. */
export async function encodeSnapshot(
  prefix: KvPrefix,
  facts: SnapshotFacts,
): Promise<Uint8Array<ArrayBuffer>> {
  const text = new TextEncoder().encode(factsText(facts));
  const { tokens, data } = prefix;
  if (text.byteLength > MAX_FACTS_BYTES || tokens.length > MAX_TOKENS) {
    throw new RangeError(
      `Cannot save ${tokens.length} tokens under ${text.byteLength} bytes of facts: at most ${MAX_TOKENS} and ${MAX_FACTS_BYTES}`,
    );
  }
  const tokensAt = FACTS_AT + text.byteLength;
  const dataAt = tokensAt + TOKEN_BYTES * tokens.length;
  const bytes = new Uint8Array(dataAt + data.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, FORMAT_VERSION, true);
  view.setUint32(SEALED_AT, text.byteLength, true);
  view.setUint32(SEALED_AT + 4, tokens.length, true);
  bytes.set(text, FACTS_AT);
  for (const [i, token] of tokens.entries()) {
    view.setUint32(tokensAt + TOKEN_BYTES * i, token, true);
  }
  bytes.set(data, dataAt);
  bytes.set(await digestOf(bytes), DIGEST_AT);
  return bytes;
}

/**
 * Decode a snapshot, which may be anything; `data` of the result shares its memory. Throws `MODEL_MALFORMED` for
 * what is no snapshot or a damaged one, and `MODEL_UNSUPPORTED` for one of another version, model or
 * arithmetic. That the size of the data fits the cache is checked where it is restored.
 */
export async function decodeSnapshot(
  bytes: Uint8Array<ArrayBuffer>,
  facts: SnapshotFacts,
): Promise<KvPrefix> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < FACTS_AT || view.getUint32(0, true) !== MAGIC) {
    throw malformed(`${bytes.byteLength} bytes do not begin as one does`);
  }
  const version = view.getUint32(4, true);
  if (version !== FORMAT_VERSION) {
    throw unsupported(`it has format ${version}, this reads ${FORMAT_VERSION}`);
  }
  const factsBytes = view.getUint32(SEALED_AT, true);
  const count = view.getUint32(SEALED_AT + 4, true);
  const tokensAt = FACTS_AT + factsBytes;
  const dataAt = tokensAt + TOKEN_BYTES * count;
  if (factsBytes > MAX_FACTS_BYTES || count > MAX_TOKENS || dataAt > bytes.byteLength) {
    throw malformed(
      `${bytes.byteLength} bytes cannot hold ${factsBytes} of facts and ${count} tokens`,
    );
  }
  const digest = await digestOf(bytes);
  if (!digest.every((byte, i) => byte === bytes[DIGEST_AT + i])) {
    throw malformed("its checksum is another: it was cut short or changed");
  }
  checkFacts(new TextDecoder().decode(bytes.subarray(FACTS_AT, tokensAt)), factsText(facts));
  const tokens = Uint32Array.from({ length: count }, (_, i) =>
    view.getUint32(tokensAt + TOKEN_BYTES * i, true),
  );
  const unknown = tokens.find((token) => token >= facts.vocabSize);
  if (unknown !== undefined) {
    throw malformed(`token ${unknown} is none of the vocabulary's ${facts.vocabSize}`);
  }
  return { tokens, data: bytes.subarray(dataAt) };
}

function factsText({ model, numerics, vocabSize }: SnapshotFacts): string {
  const { version, backend, kvType } = numerics;
  return [
    `model ${JSON.stringify(model)}`,
    `numerics ${version}`,
    `backend ${backend}`,
    `cache ${kvType}`,
    `vocabulary ${vocabSize}`,
  ].join("\n");
}

function checkFacts(found: string, expected: string): void {
  if (found === expected) return;
  const theirs = found.split("\n");
  const ours = expected.split("\n");
  const line = Math.max(
    0,
    ours.findIndex((each, i) => each !== theirs[i]),
  );
  throw unsupported(
    `it was saved for ${JSON.stringify((theirs[line] ?? "").slice(0, 100))}, this is ${ours[line]!}`,
  );
}

async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.subarray(SEALED_AT)));
}

function malformed(problem: string): RuntimeError {
  return new RuntimeError("MODEL_MALFORMED", `Cannot use the cache snapshot: ${problem}`);
}

function unsupported(problem: string): RuntimeError {
  return new RuntimeError(
    "MODEL_UNSUPPORTED",
    `Cannot use the cache snapshot: ${problem}; save it anew`,
  );
}
