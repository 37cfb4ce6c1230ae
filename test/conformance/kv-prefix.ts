import { describe, expect, test } from "vitest";
import type { GenerateRequest } from "../../core/engine/engine.ts";
import { createEngine } from "../../core/engine/loop.ts";
import type { SteppedEngine } from "../../core/engine/stepped-engine.ts";
import { loadModel } from "../../core/model/load.ts";
import { GREEDY } from "../../core/sampler/params.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import { KV_TYPES, type KvType } from "../../core/tensor/kv-type.ts";
import { collect, request, turn } from "../core/engine/rig.ts";
import { memoryModel } from "../fixtures/memory-model.ts";
import { createRandom } from "../fixtures/random.ts";

const BLOCK = 16;
interface Options {
  readonly kvType?: KvType;
  readonly blocks?: number;
  readonly layers?: number;
  readonly sharePrefixes?: boolean;
}

/** An engine of a small model. */
export async function createLlamaEngine(
  backend: Backend,
  { kvType = "f32", blocks = 24, layers = 2, sharePrefixes = true }: Options = {},
): Promise<SteppedEngine> {
  const limits = { maxRows: 32, maxLogitRows: 8, blocks, blockSize: BLOCK, kvType };
  const model = await loadModel(memoryModel({ layers }), backend, limits);
  return createEngine({
    backend,
    model,
    loadMs: 0,
    maxSequences: 8,
    maxWaiting: 100,
    sharePrefixes,
    yieldTurn: turn,
    now: () => performance.now(),
  });
}

/** What was answered, without where it came from. */
async function eventsOf(engine: SteppedEngine, ask: GenerateRequest): Promise<object[]> {
  const { events } = await collect(engine, ask);
  return events.map((event) => Object.assign(event, { cachedTokens: 0 }));
}

const random = createRandom(11);
/** Random tokens of that model. */
export const tokens = (count: number): number[] =>
  Array.from({ length: count }, () => random.int(0, 49));

/** What engines promise about saved prefixes, on a backend of which batches change no bit. */
export function describePrefixes(name: string, create: () => Promise<Backend>): void {
  describe(`a restored prefix, ${name}`, () => {
    test.for(KV_TYPES)("gives the bits of computing it, cached as %s", async (kvType) => {
      const prefix = tokens(53);
      const prompts = [
        [...prefix, ...tokens(9)],
        prefix,
        prefix.slice(0, 32),
        [...prefix.slice(0, 33), ...tokens(4)],
        tokens(40),
        [prefix[0]!],
      ];
      const sampled = { ...GREEDY, temperature: 1, seed: 3 };
      const asked = prompts.map((prompt, i) =>
        request(prompt, { maxTokens: 12, logprobs: 5, sampling: i % 2 === 0 ? GREEDY : sampled }),
      );
      const cold = await createLlamaEngine(await create(), { kvType, sharePrefixes: false });
      const expected = await Promise.all(asked.map((ask) => eventsOf(cold, ask)));
      const saved = await cold.savePrefix(prefix);
      expect(Array.from(saved.tokens)).toEqual(prefix.slice(0, 48));
      expect(cold.stats().kvBlocksUsed).toBe(0);
      await cold.close();

      // So few blocks that requests wait for each other's.
      const warm = await createLlamaEngine(await create(), { kvType, blocks: 11 });
      await warm.restorePrefix(saved);
      const answers = await Promise.all(asked.map((ask) => eventsOf(warm, ask)));
      expect(answers).toEqual(expected);
      expect(warm.stats().kvBlocksUsed).toBe(0);
      // What it restores it does not compute.
      const before = warm.stats().rows;
      await collect(warm, request(prompts[0]!, { maxTokens: 1 }));
      expect(warm.stats().rows - before).toBe(prompts[0]!.length - 48);
      const scored = await warm.score({ tokens: prompts[0]!, from: 50 });
      expect(await warm.savePrefix(prefix)).toEqual(saved);
      await warm.close();

      const again = await createLlamaEngine(await create(), { kvType });
      expect(await again.score({ tokens: prompts[0]!, from: 50 })).toEqual(scored);
      await again.close();
    });

    test("of another shape is refused", async () => {
      const one = await createLlamaEngine(await create(), { layers: 1 });
      const saved = await one.savePrefix(tokens(40));
      await one.close();
      const engine = await createLlamaEngine(await create());
      await expect(engine.restorePrefix(saved)).rejects.toThrow(RangeError);
      const cut = { ...saved, tokens: saved.tokens.subarray(1) };
      await expect(engine.restorePrefix(cut)).rejects.toThrow(RangeError);
      await engine.close();
    });

    test("copies of slots that are not there are refused", async () => {
      const backend = await create();
      const kv = backend.allocKv("kv", 32, { kvHeads: 1, headDim: 8, type: "f32" });
      const bytes = await backend.readKv!(kv, 16, 16);
      expect(bytes).toEqual(new Uint8Array(16 * 2 * 8 * 4));
      for (const [first, count] of [
        [16, 32],
        [-16, 16],
        [0.5, 16],
        [0, NaN],
      ] as const) {
        await expect(backend.readKv!(kv, first, count)).rejects.toThrow(RangeError);
      }
      expect(() => backend.writeKv!(kv, 32, bytes)).toThrow(RangeError);
      expect(() => backend.writeKv!(kv, 0, bytes.subarray(1))).toThrow(RangeError);
      await backend.close();
    });
  });
}
