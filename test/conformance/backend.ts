import { afterAll, beforeAll, describe } from "vitest";
import type { Backend } from "../../core/tensor/backend.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import { activationTests } from "./backend/activations.ts";
import { attentionTests } from "./backend/attention.ts";
import { elementwiseTests } from "./backend/elementwise.ts";
import { expertsTests } from "./backend/experts.ts";
import { kvTests } from "./backend/kv.ts";
import { lowRankTests } from "./backend/low-rank.ts";
import { matmulTests } from "./backend/matmul.ts";
import { memoryTests } from "./backend/memory.ts";
import { reduceTests } from "./backend/reduce.ts";
import { weightTests } from "./backend/weights.ts";

/** What a backend promises. Errors are the norm of the difference over the norm of the exact result. */
export interface BackendSuiteOptions {
  /** Weight types that `loadWeight` takes. */
  readonly weightTypes: readonly WeightType[];
  /** Error of normalisation, rotation and gating. */
  readonly tolerance: number;
  /** Error of a product: 1e-2 where activations become 8-bit integers. */
  matmulTolerance(type: WeightType): number;
  /** Error of attention: 2e-3 where the cache holds 16-bit floats. */
  readonly attentionTolerance: number;
  /** Batching and chunking change no bit of any row. */
  readonly exact: boolean;
  /** The same for products alone, where it is not so for them. */
  readonly exactProducts?: boolean;
  /** Parts of the suite to run; all unless given. */
  readonly parts?: readonly SuitePart[];
}

/** The parts, in order. */
const PARTS = {
  memory: memoryTests,
  weight: weightTests,
  matmul: matmulTests,
  elementwise: elementwiseTests,
  activation: activationTests,
  lowRank: lowRankTests,
  experts: expertsTests,
  attention: attentionTests,
  kv: kvTests,
  reduce: reduceTests,
} as const;

/** A part of the suite. */
export type SuitePart = keyof typeof PARTS;

/** What each part of the suite is given. */
export interface BackendSuite extends BackendSuiteOptions {
  /** The backend under test; only callable inside a test. */
  readonly backend: () => Backend;
}

/** The contract of {@linkcode Backend} as tests; every implementation runs them. */
export function describeBackend(
  name: string,
  create: () => Promise<Backend>,
  options: BackendSuiteOptions,
): void {
  describe(`backend ${name}`, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await create();
    });
    afterAll(() => backend.close());

    const suite: BackendSuite = { ...options, backend: () => backend };
    for (const [part, describeTests] of Object.entries(PARTS)) {
      if (options.parts?.includes(part as SuitePart) ?? true) describeTests(suite);
    }
  });
}
