import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import type { EngineInfo } from "../engine/engine.ts";
import { numericsOf } from "../engine/numerics.ts";

/** Hex digits of a fingerprint: 48 bits tell apart all that one client ever meets. */
const FINGERPRINT_DIGITS = 12;

/**
 * `system_fingerprint`: `fp_` and the first digits of SHA-256 over the model's digest, the version of the
 * numerics, the kind of backend and the cache's type, a line each. Where it and the request are equal, so
 * is the answer; builds of the kernels, threads and batches do not show.
 *
 * @param digest Of the model, in hex, with or without `sha256:` before it.
 */
export function systemFingerprint(digest: string, info: EngineInfo): string {
  const { version, backend, kvType } = numericsOf(info);
  const facts = [digest.replace(/^sha256[:-]/, ""), version, backend, kvType].join("\n");
  const hash = bytesToHex(sha256(new TextEncoder().encode(facts)));
  return `fp_${hash.slice(0, FINGERPRINT_DIGITS)}`;
}
