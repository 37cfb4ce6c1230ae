import { describe, expect, test } from "vitest";
import { startOn } from "../../../adapters/node/start-on.ts";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import type { Engine, TokenEvent } from "../../../core/engine/engine.ts";
import type { LoraUse } from "../../../core/engine/lora.ts";
import type { SteppedEngine } from "../../../core/engine/stepped-engine.ts";
import type { NamedLora } from "../../../core/lora/load-lora.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import type { Backend } from "../../../core/tensor/backend.ts";
import { wasmBackend } from "../../fixtures/kernels.ts";
import { namedLora } from "../../fixtures/memory-lora.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";
import { mixtureModel } from "../../fixtures/mixture-model.ts";
import { collect, request, turn } from "./rig.ts";

const MODEL = memoryModel({ matrices: "q8_0" });

/** Two adapters for all matrices, one of them for the head too, and one for few. */
const LORAS: readonly NamedLora[] = [
  namedLora("law", MODEL, { seed: 2, rank: 4 }),
  namedLora("sql", MODEL, {
    seed: 3,
    rank: 9,
    type: "f16",
    weights: (name) => name !== "token_embd.weight",
  }),
  namedLora("few", MODEL, { seed: 4, rank: 2, weights: (name) => name.includes("blk.1.attn_v") }),
];

const LAW: readonly LoraUse[] = [{ name: "law", scale: 1 }];
const SQL: readonly LoraUse[] = [{ name: "sql", scale: 1 }];

const PROMPT = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4];

/** What is asked: one prompt with every choice of adapters, and others between them. */
const ASKED: readonly { readonly tokens: readonly number[]; readonly lora?: readonly LoraUse[] }[] =
  [
    { tokens: PROMPT },
    { tokens: PROMPT, lora: LAW },
    { tokens: PROMPT, lora: SQL },
    { tokens: [7, 7, 7], lora: SQL },
    { tokens: PROMPT, lora: [...SQL, ...LAW] },
    { tokens: PROMPT, lora: [{ name: "law", scale: -0.5 }] },
    { tokens: [9, 8, 7, 6] },
    { tokens: PROMPT, lora: [{ name: "few", scale: 2 }] },
  ];

interface Start {
  readonly loras?: readonly NamedLora[];
  readonly batchSize?: number;
  readonly kvBytes?: number;
}

function start(backend: Backend, { loras = LORAS, ...room }: Start = {}): Promise<SteppedEngine> {
  return startOn(backend, MODEL, {
    room: { contextSize: 64, parallel: 8, ...room },
    loras,
    started: 0,
    yieldTurn: turn,
    onProgress: undefined,
    signal: undefined,
  });
}

type AnswerBits = readonly Pick<Required<TokenEvent>, "token">[];

/** The events of an answer, by whose logarithms a single bit of a logit shows. */
async function events(engine: Engine, asked: (typeof ASKED)[number]): Promise<AnswerBits> {
  const { tokens, lora } = asked;
  const more = { maxTokens: 30, logprobs: 3, ...(lora === undefined ? {} : { lora }) };
  const answer = await collect(engine, request(tokens, more));
  // Whether a prompt was found in the cache is no part of what was answered.
  return answer.events.map(({ type, token, logprob, top }) => ({ type, token, logprob, top }));
}

const BACKENDS: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["reference", () => Promise.resolve(createReferenceBackend())],
  ["simd128", () => wasmBackend("simd128")],
  ["simd128 on 2 threads", () => wasmBackend("simd128", 2)],
  ["relaxed", () => wasmBackend("relaxed")],
  ["relaxed16 on 2 threads", () => wasmBackend("relaxed16", 2)],
  ["simd128 over several memories", () => spreadBackend()],
];

/** The first memory is nearly full: the model begins in it, and the adapters lie in the next one. */
async function spreadBackend(): Promise<Backend> {
  const backend = await wasmBackend("simd128", 1, 3);
  await backend.loadWeight("filler", "f32", [190, 200], async () => {});
  return backend;
}

describe.for(BACKENDS)("adapters on %s", ([, create]) => {
  test("two adapters and the model alone give in one batch the bits that each gives alone", async () => {
    const alone: AnswerBits[] = [];
    const single = await start(await create());
    for (const asked of ASKED) alone.push(await events(single, asked));
    await single.close();
    expect(new Set(alone.map((answer) => JSON.stringify(answer))).size).toBe(ASKED.length);

    for (const room of [{}, { batchSize: 9 }, { kvBytes: 50_000 }]) {
      const engine = await start(await create(), room);
      const answers = await Promise.all(ASKED.map((asked) => events(engine, asked)));
      expect(answers).toEqual(alone);
      if ("kvBytes" in room) expect(engine.stats().preemptions).toBeGreaterThan(0);
      await engine.close();
    }

    const without = await start(await create(), { loras: [] });
    expect(without.info.lora).toBeUndefined();
    expect(await events(without, ASKED[0]!)).toEqual(alone[0]);
    await without.close();
  });
});

test("adapters give the same bits on every build of the kernels and on any number of threads", async () => {
  const answers: AnswerBits[] = [];
  for (const [, make] of BACKENDS.slice(1)) {
    const engine = await start(await make());
    answers.push((await Promise.all(ASKED.map((asked) => events(engine, asked)))).flat());
    await engine.close();
  }
  for (const other of answers.slice(1)) expect(other).toEqual(answers[0]);
});

describe("an engine with adapters", () => {
  test("says which there are, and counts their bytes", async () => {
    const engine = await start(createReferenceBackend());
    const alone = await start(createReferenceBackend(), { loras: [] });
    expect(engine.info.lora).toEqual(["law", "sql", "few"]);
    const factors = LORAS.flatMap(({ file }) => [...file.sites.values()]).flatMap((site) => [
      site.down,
      site.up,
    ]);
    const values = factors.reduce((sum, { shape }) => sum + shape[0]! * shape[1]!, 0);
    expect(engine.info.memory.weights - alone.info.memory.weights).toBe(4 * values);
    await engine.close();
    await alone.close();
  });

  test("shares a cached prompt within an adapter and a scale only", async () => {
    const engine = await start(createReferenceBackend());
    const found = async (lora: readonly LoraUse[]): Promise<number> => {
      const { events: all } = await collect(engine, request(PROMPT, { lora, maxTokens: 1 }));
      return all[0]?.cachedTokens ?? 0;
    };
    expect(await found([])).toBe(0);
    expect(await found([])).toBe(16);
    expect(await found(LAW)).toBe(0);
    expect(await found(SQL)).toBe(0);
    expect(await found([{ name: "law", scale: 0.5 }])).toBe(0);
    expect(await found([...LAW, ...SQL])).toBe(0);
    expect(await found([...SQL, ...LAW])).toBe(16);
    expect(await found(LAW)).toBe(16);
    // Nothing of an adapter is the model itself.
    expect(await found([{ name: "sql", scale: 0 }])).toBe(16);
    await engine.close();
  });

  test("takes no saved cache for a request with an adapter", async () => {
    const engine = await start(createReferenceBackend());
    await engine.restorePrefix(await engine.savePrefix(PROMPT));
    const fresh = await start(createReferenceBackend());
    await fresh.restorePrefix(await engine.savePrefix(PROMPT));
    const changed = await collect(fresh, request(PROMPT, { lora: LAW }));
    expect(changed.events[0]?.cachedTokens).toBeUndefined();
    const without = await collect(fresh, request([...PROMPT, 1]));
    expect(without.events[0]?.cachedTokens).toBe(16);
    await engine.close();
    await fresh.close();
  });

  test("goes on behind tokens that another engine generated with the adapter", async () => {
    const engine = await start(createReferenceBackend());
    const sampling = { ...GREEDY, temperature: 1, seed: 7 };
    const whole = await collect(engine, request(PROMPT, { lora: SQL, sampling }));
    const emitted = whole.tokens.slice(0, 4);
    const rest = await collect(engine, request(PROMPT, { lora: SQL, sampling, emitted }));
    expect(rest.tokens).toEqual(whole.tokens.slice(4));
    await engine.close();
  });

  test("verifies guesses with the adapter: answers are those without guessing", async () => {
    const repeated = Array.from({ length: 24 }, (_, i) => [5, 6, 7, 8][i % 4]!);
    const options = { maxTokens: 24, lora: LAW };
    const engine = await start(await wasmBackend("simd128"));
    const guessing = await collect(engine, request(repeated, options));
    await engine.close();
    const plain = await startOn(await wasmBackend("simd128"), MODEL, {
      room: { contextSize: 64, speculate: false },
      loras: LORAS,
      started: 0,
      yieldTurn: turn,
      onProgress: undefined,
      signal: undefined,
    });
    expect((await collect(plain, request(repeated, options))).tokens).toEqual(guessing.tokens);
    await plain.close();
  });

  test("scores and embeds with an adapter, too", async () => {
    const engine = await start(createReferenceBackend());
    const score = (lora: readonly LoraUse[]) => engine.score({ tokens: PROMPT, from: 1, lora });
    const embed = (lora: readonly LoraUse[]) =>
      engine.embed({ tokens: PROMPT, pooling: "mean", lora });
    const all = await Promise.all([score([]), score(LAW), score(SQL)]);
    expect(new Set(all.map((scores) => scores.join())).size).toBe(3);
    expect(await score(LAW)).toEqual(all[1]);
    const vectors = await Promise.all([embed([]), embed(LAW), embed(SQL)]);
    expect(new Set(vectors.map((vector) => vector.join())).size).toBe(3);
    expect(await embed(SQL)).toEqual(vectors[2]);
    await engine.close();
  });

  test("refuses adapters that it has not, twice the same, and scales beyond sense", async () => {
    const engine = await start(createReferenceBackend());
    const wrong: readonly (readonly [readonly LoraUse[], RegExp])[] = [
      [[{ name: "tax", scale: 1 }], /adapter "tax": loaded are law, sql, few/],
      [[...LAW, { name: "law", scale: 0.5 }], /law twice/],
      [[{ name: "law", scale: 101 }], /scale from -100 to 100/],
      [[{ name: "law", scale: NaN }], /scale from -100 to 100/],
    ];
    for (const [lora, message] of wrong) {
      const refusal = {
        code: "INVALID_REQUEST",
        message: expect.stringMatching(message) as string,
      };
      await expect(collect(engine, request(PROMPT, { lora }))).rejects.toMatchObject(refusal);
      await expect(engine.score({ tokens: PROMPT, from: 1, lora })).rejects.toMatchObject(refusal);
    }
    await engine.close();
  });

  test("lets a router of experts be adapted, and no expert", async () => {
    const mixture = mixtureModel({ experts: 4, used: 2 });
    const router = namedLora("router", mixture, { weights: (name) => name.includes("gate_inp") });
    const engine = await startOn(createReferenceBackend(), mixture, {
      room: {},
      loras: [router],
      started: 0,
      yieldTurn: turn,
      onProgress: undefined,
      signal: undefined,
    });
    const lora = [{ name: "router", scale: 8 }];
    const scores = (uses: readonly LoraUse[]) =>
      engine.score({ tokens: PROMPT, from: 1, lora: uses });
    expect(await scores(lora)).not.toEqual(await scores([]));
    await engine.close();
  });
});
