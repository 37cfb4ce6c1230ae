import { describe, expect, test } from "vitest";
import { createReferenceBackend } from "../../backends/reference/backend.ts";
import { findFault } from "../../backends/self-test/self-test.ts";
import { workloadOf } from "../../core/model/workload.ts";
import type { Ops } from "../../core/tensor/backend.ts";
import { WEIGHT_TYPES, type WeightType } from "../../core/tensor/dtype.ts";
import { KV_TYPES } from "../../core/tensor/kv-type.ts";
import type { Operation } from "../../core/tensor/workload.ts";
import { VARIANTS, wasmBackend } from "../fixtures/kernels.ts";
import { memoryModel } from "../fixtures/memory-model.ts";
import { ALL_OPERATIONS, leavingOut } from "../fixtures/wrong-backend.ts";

const TYPES = Object.keys(WEIGHT_TYPES) as WeightType[];
const LIMITS = { maxRows: 16, maxLogitRows: 2, blocks: 8, blockSize: 16 };
const operations = workloadOf(memoryModel({ matrices: "q8_0", dim: 64 }), LIMITS).operations;

/** What other networks than Llama have. */
const MORE: readonly Operation[] = [
  { kind: "rmsNorm", eps: 1e-6, heads: 3 },
  { kind: "layerNorm", eps: 1e-12 },
  { kind: "matmul", types: ["q8_0", "f32"], columns: 256, added: false, biased: true },
  { kind: "gatedMatmul", types: ["q8_0", "q8_0"], columns: 256, activation: "gelu_tanh" },
  { kind: "experts", types: ["q4_0", "q4_0", "q8_0"] },
  { kind: "gate", activation: "gelu_tanh" },
  { kind: "addLowRank", types: ["f16", "f32"] },
  { kind: "gelu" },
  { kind: "scale" },
  {
    kind: "attention",
    heads: 6,
    cache: { kvHeads: 2, headDim: 64, type: "f32" },
    scale: 0.125,
    bidirectional: true,
  },
];

/** Every kernel that there is for weights and caches. */
const everything: readonly Operation[] = [
  ...operations,
  ...TYPES.flatMap((type): Operation[] => [
    { kind: "embed", type },
    { kind: "matmul", types: [type], columns: 256, added: false },
    { kind: "matmul", types: [type], columns: 256, added: true },
    { kind: "gatedMatmul", types: [type, type], columns: 256 },
  ]),
  ...KV_TYPES.map((type): Operation => {
    const cache = { kvHeads: 2, headDim: 64, type };
    return { kind: "attention", heads: 6, cache, scale: 0.125, window: 4096 };
  }),
  { kind: "matmul", types: ["f32", "f16"], columns: 20, added: false },
  { kind: "rope", style: "neox", headDim: 16, dims: 8 },
  ...MORE,
  ...TYPES.map((type): Operation => ({ kind: "experts", types: [type, type, type] })),
];

describe("findFault", () => {
  test.for(VARIANTS)("finds nothing wrong with any kernel of %s", async (variant) => {
    const backend = await wasmBackend(variant);
    expect(await findFault(backend, everything)).toBeUndefined();
    await backend.close();
  });

  test.for(
    ALL_OPERATIONS.filter((kind) => kind !== "rope" && kind !== "addTo" && kind !== "gather"),
  )("names %s where it computes nothing", async (kind) => {
    const backend = leavingOut(createReferenceBackend(), [kind]);
    const all = [...operations, ...MORE];
    expect(await findFault(backend, all)).toMatch(new RegExp(`^${kind}.* is off by`));
  });

  test.for<[keyof Ops, RegExp]>([
    ["rope", /^attention f32 of 23 rows is off by/],
    ["addTo", /^matmul q8_0 added of 1 rows is off by/],
    ["gather", /^gather is off by/],
  ])("notices where %s computes nothing", async ([kind, fault]) => {
    const backend = leavingOut(createReferenceBackend(), [kind]);
    expect(await findFault(backend, operations)).toMatch(fault);
  });

  test("an adapter without a device is found out", async () => {
    const backend = leavingOut(createReferenceBackend(), ALL_OPERATIONS);
    expect(await findFault(backend, operations)).toMatch(/^embed q8_0 is off by 1/);
  });

  test("a single value that is not a number is found", async () => {
    const sound = createReferenceBackend();
    const backend = {
      ...sound,
      async read(...args: Parameters<typeof sound.read>) {
        const values = (await sound.read(...args)).slice();
        if (values.length > 1000) values[777] = NaN;
        return values;
      },
    };
    expect(await findFault(backend, operations)).toMatch(/of 33 rows is off by NaN/);
  });

  test("wrong questions about logits are found", async () => {
    const sound = createReferenceBackend();
    const backend = {
      ...sound,
      async reduce(...args: Parameters<typeof sound.reduce>) {
        const answers = await sound.reduce(...args);
        return answers.map((answer) => Object.assign(answer, { mass: answer.mass * 1.01 }));
      },
    };
    expect(await findFault(backend, operations)).toBe("the mass of logits, question 1, is wrong");
  });

  test("what a backend rejects with is the fault", async () => {
    const backend = {
      ...createReferenceBackend(),
      run: () => Promise.reject(new Error("the device is lost")),
    };
    expect(await findFault(backend, operations)).toBe("the device is lost");
  });
});
