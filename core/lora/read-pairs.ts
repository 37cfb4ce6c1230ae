import type { TensorInfo } from "../gguf/gguf.ts";
import { malformed, quote, unsupported } from "../gguf/problem.ts";
import { MAX_LORA_RANK } from "./limits.ts";
import type { LoraPair, LoraSite } from "./lora-file.ts";

/** Types that factors may have: those of quantised blocks would need ranks that are multiples of 32. */
const FACTOR_TYPES: ReadonlySet<string> = new Set(["f32", "f16", "bf16"]);

/** Put a factor beside the other one of the same weight. */
export function addFactor(
  pairs: Map<string, LoraPair>,
  weight: string,
  part: keyof LoraPair,
  info: TensorInfo,
): void {
  const pair = pairs.get(weight) ?? {};
  pair[part] = info;
  pairs.set(weight, pair);
}

/**
 * Pairs of factors as sites, each pair complete and of one rank. Throws `MODEL_MALFORMED`, and `MODEL_UNSUPPORTED` for
 * types and ranks that are not computed with.
 *
 * @param gainOf The gain of a pair by its rank.
 */
export function toSites(
  file: string,
  pairs: ReadonlyMap<string, LoraPair>,
  gainOf: (rank: number) => number,
): ReadonlyMap<string, LoraSite> {
  if (pairs.size === 0) throw malformed(file, "it is an adapter without a single pair of factors");
  const sites = new Map<string, LoraSite>();
  for (const [weight, { down, up }] of pairs) {
    if (down === undefined || up === undefined) {
      const missing = down === undefined ? "A (lora_a)" : "B (lora_b)";
      throw malformed(file, `the factor ${missing} of ${quote(weight)} is missing`);
    }
    for (const { name, type, shape } of [down, up]) {
      if (!FACTOR_TYPES.has(type)) {
        throw unsupported(
          file,
          `${quote(name)} is ${type}; convert the adapter with --outtype f16 or f32`,
        );
      }
      if (shape.length !== 2) {
        throw malformed(file, `${quote(name)} is [${shape.join(", ")}], expected a matrix`);
      }
    }
    const [rank = 0] = down.shape;
    if (up.shape[1] !== rank) {
      throw malformed(
        file,
        `the factors of ${quote(weight)} are [${down.shape.join(", ")}] and [${up.shape.join(", ")}]: ` +
          "their ranks differ",
      );
    }
    if (rank < 1) throw malformed(file, `the factors of ${quote(weight)} are empty`);
    if (rank > MAX_LORA_RANK) {
      throw unsupported(
        file,
        `the rank of ${quote(weight)} is ${rank}, at most ${MAX_LORA_RANK} may be`,
      );
    }
    sites.set(weight, { down, up, gain: gainOf(rank) });
  }
  return sites;
}

/** A gain that makes sense. Throws `MODEL_MALFORMED` for another. */
export function checkAlpha(file: string, alpha: unknown): number {
  if (typeof alpha === "number" && Number.isFinite(alpha) && Math.abs(alpha) <= MAX_ALPHA) {
    return alpha;
  }
  throw malformed(file, `its alpha is ${quote(JSON.stringify(alpha ?? null))}, expected a number`);
}

/** Some thousand times the largest rank: gains stay far from the ends of float32. */
const MAX_ALPHA = 2 ** 20;
