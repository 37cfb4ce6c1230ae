import { sha256 } from "@noble/hashes/sha2.js";
import { sha256Hex } from "../../receipt/sha256.ts";

/** Random bytes of a key: nobody guesses 256 bits, so a plain hash of them needs no salt and no slowness. */
const KEY_BYTES = 32;
/** Lets scanners for leaked secrets tell what they found. */
const KEY_PREFIX = "sk-sirocco-";
const DIGEST_BYTES = 32;
const HASH: RegExp = /^sha256:([0-9a-f]{64})$/;

/** A fresh key. */
export function createKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  const text = btoa(String.fromCharCode(...bytes));
  return KEY_PREFIX + text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** What is kept of a key: `sha256:` and 64 hex digits. */
export async function hashKey(key: string): Promise<string> {
  return `sha256:${await sha256Hex(key)}`;
}

/** [32] SHA-256 of a key. Computed here and not by WebCrypto, whose answer comes in a later turn. */
export function digestOf(key: string): Uint8Array {
  return sha256(new TextEncoder().encode(key));
}

/** [32] The bytes of a hash. Throws `TypeError` for what is none. */
export function toDigest(hash: string): Uint8Array {
  const [, hex] = HASH.exec(hash) ?? [];
  if (hex === undefined) throw new TypeError("Cannot read a key's hash: expected sha256:<64 hex>");
  return Uint8Array.from({ length: DIGEST_BYTES }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
}

/**
 * Whether two digests are equal, in a time that does not depend on where they differ. Only workerd has
 * `crypto.subtle.timingSafeEqual` and core imports no runtime; what is compared is SHA-256, of which a
 * client cannot choose the bytes, so the loop is a second line behind that.
 */
export function sameDigest(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length;
  for (let i = 0; i < DIGEST_BYTES; i++) difference |= one[i]! ^ other[i]!;
  return difference === 0;
}
