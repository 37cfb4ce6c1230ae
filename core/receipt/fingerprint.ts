import type { EngineInfo } from "../engine/engine.ts";
import { numericsOf } from "../engine/numerics.ts";
import { sha256Hex } from "./sha256.ts";

/** Hex digits of a fingerprint: 48 bits tell apart all that one client ever meets. */
const FINGERPRINT_DIGITS = 12;

/**
 * `system_fingerprint`: `fp_` and the first digits of SHA-256 over the model's digest, the version of the
 * numerics, the kind of backend and the cache's type, a line each. Where it and the request are equal, so
 * is the answer; builds of the kernels, threads and batches do not show.
 *
 * @param digest Of the model, in hex, with or without `sha256:` before it.
 */
export async function systemFingerprint(digest: string, info: EngineInfo): Promise<string> {
  const { version, backend, kvType } = numericsOf(info);
  const facts = [digest.replace(/^sha256[:-]/, ""), version, backend, kvType].join("\n");
  return `fp_${(await sha256Hex(facts)).slice(0, FINGERPRINT_DIGITS)}`;
}
