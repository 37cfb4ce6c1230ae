import { expect, test } from "vitest";
import { startOn } from "../../adapters/node/start-on.ts";
import { createReferenceBackend } from "../../backends/reference/backend.ts";
import type { LoraUse } from "../../core/engine/lora.ts";
import type { SteppedEngine } from "../../core/engine/stepped-engine.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import { collect, request, turn } from "../core/engine/rig.ts";
import { namedLora } from "../fixtures/memory-lora.ts";
import { memoryModel } from "../fixtures/memory-model.ts";
import { createGpu } from "./backend.ts";

const MODEL = memoryModel({ layers: 1 });
const LORAS = [
  namedLora("law", MODEL, { seed: 2, rank: 4 }),
  namedLora("sql", MODEL, {
    seed: 3,
    rank: 9,
    type: "f16",
    weights: (name) => name !== "token_embd.weight",
  }),
];
const PROMPT = [3, 1, 4, 1, 5, 9, 2, 6];
const ASKED: readonly (readonly LoraUse[])[] = [
  [],
  [{ name: "law", scale: 1 }],
  [{ name: "sql", scale: 1 }],
];

const start = (backend: Backend): Promise<SteppedEngine> =>
  startOn(backend, MODEL, {
    room: { contextSize: 32, parallel: 4 },
    loras: LORAS,
    started: 0,
    yieldTurn: turn,
    onProgress: undefined,
    signal: undefined,
  });

async function answerTo(engine: SteppedEngine, lora: readonly LoraUse[]) {
  const { events } = await collect(engine, request(PROMPT, { lora, maxTokens: 6, logprobs: 0 }));
  return {
    tokens: events.map(({ token }) => token),
    logprobs: events.map(({ logprob }) => logprob ?? NaN),
  };
}

test("two adapters and the model alone give in one batch on a GPU what each gives alone, and on the CPU", async () => {
  const engine = await start(await createGpu());
  const alone = [];
  for (const lora of ASKED) alone.push(await answerTo(engine, lora));
  const together = await Promise.all(ASKED.map((lora) => answerTo(engine, lora)));
  await engine.close();
  const cpu = await start(createReferenceBackend());
  for (const [i, { tokens, logprobs }] of together.entries()) {
    const expected = await answerTo(cpu, ASKED[i]!);
    expect(tokens).toEqual(expected.tokens);
    expect(alone[i]!.tokens).toEqual(expected.tokens);
    // Here products of several rows may be summed up in another order than those of one.
    for (const [at, logprob] of expected.logprobs.entries()) {
      expect(Math.abs(logprobs[at]! - logprob)).toBeLessThan(1e-3);
      expect(Math.abs(alone[i]!.logprobs[at]! - logprob)).toBeLessThan(1e-3);
    }
  }
  await cpu.close();
  expect(new Set(together.map(({ tokens }) => tokens.join())).size).toBe(ASKED.length);
});
