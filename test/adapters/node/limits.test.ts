import { expect, test } from "vitest";
import { kvBytesPerToken, planRoom } from "../../../adapters/node/limits.ts";
import type { ModelConfig } from "../../../core/model/model.ts";

const CONFIG: ModelConfig = {
  architecture: "llama",
  name: "test",
  dim: 64,
  hiddenDim: 128,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  vocabSize: 100,
  contextLength: 8192,
  normEps: 1e-5,
  rope: { style: "norm", dims: 16, theta: 10_000, scaling: { type: "none" } },
};

test("kvBytesPerToken counts keys and values of every layer as 32-bit floats", () => {
  expect(kvBytesPerToken(CONFIG)).toBe(2 * 2 * 2 * 16 * 4);
});

test("kvBytesPerToken counts two bytes of f16, and of q8_0 one and a scale for each head", () => {
  expect(kvBytesPerToken(CONFIG, "f16")).toBe(2 * 2 * 2 * 16 * 2);
  expect(kvBytesPerToken(CONFIG, "q8_0")).toBe(2 * 2 * 2 * (16 + 2));
  const wide = { ...CONFIG, headDim: 36 };
  expect(kvBytesPerToken(wide, "q8_0")).toBe(2 * 2 * 2 * (36 + 2 * 2));
});

test("planRoom fits more blocks of a smaller cache type into the same bytes", () => {
  const kvBytes = 100 * kvBytesPerToken(CONFIG) * 16;
  const small = { contextSize: 800, parallel: 8, kvBytes };
  expect(planRoom(CONFIG, small).limits.blocks).toBe(100);
  expect(planRoom(CONFIG, { ...small, kvType: "f16" }).limits.blocks).toBe(200);
  expect(planRoom(CONFIG, small).limits.kvType).toBe("f32");
});

test("planRoom takes 4096 tokens of a longer context unless told otherwise", () => {
  expect(planRoom(CONFIG, {}).contextLength).toBe(4096);
  expect(planRoom(CONFIG, { contextSize: 6000 }).contextLength).toBe(6000);
});

test("planRoom never goes beyond the context that the model was made for", () => {
  expect(planRoom({ ...CONFIG, contextLength: 2048 }, {}).contextLength).toBe(2048);
  expect(planRoom(CONFIG, { contextSize: 100_000 }).contextLength).toBe(8192);
});

test("planRoom gives every parallel request its full context where memory allows", () => {
  const { limits } = planRoom(CONFIG, { contextSize: 160, parallel: 3 });
  expect(limits).toMatchObject({ blocks: 30, blockSize: 16 });
});

test("planRoom stays within kvBytes but always holds one full context", () => {
  const block = kvBytesPerToken(CONFIG) * 16;
  const options = { contextSize: 160, parallel: 8 };
  expect(planRoom(CONFIG, { ...options, kvBytes: 15 * block }).limits.blocks).toBe(15);
  expect(planRoom(CONFIG, { ...options, kvBytes: block }).limits.blocks).toBe(10);
});

test("planRoom rounds the block size up to what the backend groups keys by", () => {
  expect(planRoom(CONFIG, {}, 1).limits.blockSize).toBe(16);
  expect(planRoom(CONFIG, {}, 12).limits.blockSize).toBe(24);
});

test("planRoom asks for no more rows of logits than a step has rows", () => {
  expect(planRoom(CONFIG, { batchSize: 4 }).limits).toMatchObject({ maxRows: 4, maxLogitRows: 4 });
});

test("planRoom has an encoder's text in one step, and no more cache than a step takes", () => {
  const encoder: ModelConfig = { ...CONFIG, contextLength: 512, embedsOnly: true };
  const { limits, contextLength } = planRoom(encoder, {});
  expect(contextLength).toBe(512);
  expect(limits).toMatchObject({ maxRows: 512, maxLogitRows: 512, blocks: 32 + 8 });
  // Who wants smaller steps gets a shorter context.
  const small = planRoom(encoder, { batchSize: 100 });
  expect(small.contextLength).toBe(100);
  expect(small.limits).toMatchObject({ maxRows: 100, maxLogitRows: 100 });
});
