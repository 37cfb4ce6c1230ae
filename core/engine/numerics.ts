import type { KvType } from "../tensor/kv-type.ts";
import type { EngineInfo } from "./engine.ts";

/**
 * Version of the arithmetic between tokens and tokens. Raise it with every change after which some model
 * gives other bits of logits or chooses another token from the same ones: an order of additions, a rounding,
 * an approximation in `core/numeric`, a step of the sampler, a draw of its generator. Speed alone raises
 * nothing. `test/e2e/verify.test.ts` holds answers of this version and fails when they are not repeated.
 */
export const NUMERICS_VERSION = 1;

/** All that decides the bits of an answer beside the model and the request. */
export interface Numerics {
  /** {@linkcode NUMERICS_VERSION} of whoever answered. */
  readonly version: number;
  /** Kind of backend: `wasm` whatever the build and the number of threads, `reference`. */
  readonly backend: string;
  /** How keys and values were cached. */
  readonly kvType: KvType;
}

/** The numerics of an engine. Builds of a backend are named `kind-build` and give the same bits. */
export function numericsOf({ backend, kvType }: EngineInfo): Numerics {
  return { version: NUMERICS_VERSION, backend: backend.split("-", 1)[0]!, kvType };
}

/** Whether two engines give the same bits. */
export function sameNumerics(one: Numerics, other: Numerics): boolean {
  return (
    one.version === other.version && one.backend === other.backend && one.kvType === other.kvType
  );
}
