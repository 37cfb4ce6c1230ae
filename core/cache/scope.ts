import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { canonicalJson, type Json } from "./canonical-json.ts";

/** Who may see whose answers. */
export interface Partition {
  /** Two tenants never share an entry. */
  readonly tenant: string;
  /** A tenant's own division, such as `cache_salt` of a request; two salts never share an entry. */
  readonly salt?: string;
  /** Raised to forget everything of everybody at once. */
  readonly epoch: number;
}

/** Makes the keys of one partition. */
export interface Scope {
  /** `m1.` and HMAC-SHA-256 of a request's document, for where there is no tokeniser. */
  requestKey(document: Json): string;
  /** `t1.` and HMAC-SHA-256 of a document over tokens. */
  tokenKey(document: Json): string;
  /** HMAC-SHA-256 of a record: nobody else can write one, and a changed one shows. */
  seal(text: string): string;
}

/** Bytes of a key of HMAC-SHA-256, and of what it gives. */
const KEY_BYTES = 32;

/** A secret shorter than this could be guessed, and with it who asked what. */
const MIN_SECRET_BYTES = 16;

/**
 * Keys of a partition: `HMAC(HKDF(secret, partition), JCS(document))`. Who does not have the secret can
 * neither guess a key nor tell whether two tenants asked the same; another epoch is another set of keys,
 * so forgetting everything takes no time. HKDF is RFC 5869, HMAC RFC 2104, JCS RFC 8785. They are
 * computed here and not by WebCrypto, whose answer comes in a later turn: a hit has none to lose.
 * Throws `RangeError` for a secret below 16 bytes.
 */
export function createScope(secret: Uint8Array, partition: Partition): Scope {
  checkSecret(secret);
  const { tenant, salt = null, epoch } = partition;
  const info = `sirocco cache ${canonicalJson([tenant, salt, epoch])}`;
  const keyed = hmac.create(
    sha256,
    hkdf(sha256, secret, undefined, new TextEncoder().encode(info), KEY_BYTES),
  );
  const encoder = new TextEncoder();
  // What a text is for is part of it, so that no seal is ever a key.
  const digest = (purpose: string, text: string): string =>
    `${purpose}.${toBase64Url(
      keyed
        .clone()
        .update(encoder.encode(`${purpose}\n${text}`))
        .digest(),
    )}`;
  return {
    requestKey: (document) => digest("m1", canonicalJson(document)),
    tokenKey: (document) => digest("t1", canonicalJson(document)),
    seal: (text) => digest("s1", text),
  };
}

/** Throws `RangeError` for a secret that could be guessed. */
export function checkSecret(secret: Uint8Array): void {
  if (secret.byteLength >= MIN_SECRET_BYTES) return;
  throw new RangeError(
    `Cannot make cache keys of a secret of ${secret.byteLength} bytes: give ${MIN_SECRET_BYTES} or more`,
  );
}

/** SHA-256 in base64url. */
export function sha256Text(bytes: Uint8Array): string {
  return toBase64Url(sha256(bytes));
}

/** SHA-256 over tokens as little-endian 32-bit numbers, in base64url. */
export function tokensDigest(tokens: readonly number[]): string {
  const bytes = new Uint8Array(tokens.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, token] of tokens.entries()) view.setUint32(i * 4, token, true);
  return sha256Text(bytes);
}

function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}
