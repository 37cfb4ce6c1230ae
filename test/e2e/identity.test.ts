import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bytesSource } from "../../core/gguf/source.ts";
import { openGguf } from "../../core/gguf/parse.ts";
import { GREEDY } from "../../core/sampler/params.ts";
import type { SamplingParams } from "../../core/sampler/params.ts";
import { KV_TYPES, type KvType } from "../../core/tensor/kv-type.ts";
import { createTokenizer } from "../../core/tokenizer/create.ts";
import { VARIANTS, type Variant } from "../fixtures/kernels.ts";
import { recordedDemoEngine } from "../fixtures/recorded-engine.ts";

const demo = new URL("../../examples/demo-model/sirocco-demo.q8_0.gguf", import.meta.url);
const { metadata } = await openGguf(bytesSource(readFileSync(demo)));
const tokenizer = createTokenizer(metadata);

/** Long enough that chunks of 64 and cache blocks of 16 end within it. */
const PROMPT = [
  tokenizer.bos!,
  ...tokenizer.encode(
    "Continuous batching lets new requests join a running batch after any step. ".repeat(9) +
      "Once upon a time, there was a brave little girl named Mia.",
  ),
];
const MAX_TOKENS = 48;

const SEEDED: SamplingParams = { ...GREEDY, temperature: 0.9, topP: 0.95, seed: 42 };

interface Run {
  readonly answers: readonly (readonly number[])[];
  readonly preemptions: number;
  /** One digest per position, where all rows that ever had it agreed. */
  readonly logits: Readonly<Record<number, readonly string[]>>;
}

interface Schedule {
  readonly variant: Variant;
  readonly threads: number;
  readonly copies: number;
  readonly chunk: number;
  readonly blocks: number;
  readonly sampling: SamplingParams;
  readonly kvType?: KvType;
  /** Guess tokens: a wrong guess has logits, too, of a text that never was. */
  readonly speculate?: boolean;
}

/** The same prompt `copies` times at once, under limits that shape the schedule. */
async function run(schedule: Schedule): Promise<Run> {
  const { variant, threads, copies, chunk, blocks, sampling, kvType = "f32", speculate } = schedule;
  const limits = { maxRows: 64, maxLogitRows: 8, blocks, blockSize: 16, kvType };
  const { engine, logits } = await recordedDemoEngine(variant, threads, limits, chunk, speculate);
  const answers = await Promise.all(
    Array.from({ length: copies }, async () => {
      const tokens: number[] = [];
      const request = { tokens: PROMPT, maxTokens: MAX_TOKENS, sampling, stopTokens: [] };
      for await (const event of engine.generate(request)) {
        if (event.type === "token") tokens.push(event.token);
      }
      return tokens;
    }),
  );
  const { preemptions } = engine.stats();
  await engine.close();
  const byPosition = [...logits].map(([position, digests]) => [position, [...digests]] as const);
  return { answers, preemptions, logits: Object.fromEntries(byPosition) };
}

const ROOMY = 256;
/** Three sequences of twelve blocks fit, of eight that are wanted. */
const TIGHT = 40;

describe.for([
  ["greedy", GREEDY],
  ["seeded", SEEDED],
] as const)("%s generation gives the same tokens and the same bits of logits", ([, sampling]) => {
  const alone = run({
    variant: "simd128",
    threads: 1,
    copies: 1,
    chunk: 64,
    blocks: ROOMY,
    sampling,
  });

  test("alone, whose logits the others must equal at every position", async () => {
    const { answers, logits } = await alone;
    expect(answers[0]).toHaveLength(MAX_TOKENS);
    expect(Object.keys(logits)).toHaveLength(MAX_TOKENS);
  });

  const schedules = [
    { name: "in chunks of 1", copies: 1, chunk: 1, blocks: ROOMY },
    { name: "in chunks of 7", copies: 1, chunk: 7, blocks: ROOMY },
    { name: "in chunks of 64", copies: 1, chunk: 64, blocks: ROOMY },
    { name: "in a batch of 8", copies: 8, chunk: 64, blocks: ROOMY },
    { name: "in a batch of 8, in chunks of 7", copies: 8, chunk: 7, blocks: ROOMY },
    { name: "through preemption", copies: 8, chunk: 64, blocks: TIGHT },
  ];
  const places = [
    ...VARIANTS.map((variant) => ({ variant, threads: 1 })),
    { variant: "relaxed", threads: 2 },
    { variant: "relaxed", threads: 3 },
    { variant: "simd128", threads: 2 },
    { variant: "simd128", threads: 3 },
  ] as const;

  test.for([1, 8])("with guesses, beside those of wrong guesses, %d at once", async (copies) => {
    const expected = await alone;
    const schedule = { threads: 2, chunk: 64, blocks: ROOMY, speculate: true } as const;
    const actual = await run({ variant: "relaxed", copies, sampling, ...schedule });
    for (const answer of actual.answers) expect(answer).toEqual(expected.answers[0]);
    for (const [position, digests] of Object.entries(expected.logits)) {
      expect(actual.logits[Number(position)]).toEqual(expect.arrayContaining([...digests]));
    }
  });

  describe.for(places)("with $variant kernels on $threads thread(s)", (place) => {
    test.for(schedules)("$name", async ({ name, ...schedule }) => {
      const expected = await alone;
      const actual = await run({ ...place, ...schedule, sampling });
      for (const answer of actual.answers) expect(answer).toEqual(expected.answers[0]);
      expect(actual.logits).toEqual(expected.logits);
      if (name === "through preemption") expect(actual.preemptions).toBeGreaterThan(0);
    });
  });
});

describe.for(KV_TYPES.filter((type) => type !== "f32"))("a cache of %s", (kvType) => {
  const common = { sampling: GREEDY, kvType, blocks: ROOMY } as const;
  const alone = run({ ...common, variant: "simd128", threads: 1, copies: 1, chunk: 64 });

  test.for([
    ...VARIANTS.map((variant) => ({ variant, threads: 1, copies: 8, chunk: 7 })),
    { variant: "relaxed", threads: 3, copies: 8, chunk: 64 },
    { variant: "simd128", threads: 2, copies: 1, chunk: 1 },
  ] as const)(
    "gives the same bits of logits with $variant kernels, $threads thread(s), $copies copies, chunks of $chunk",
    async (schedule) => {
      const expected = await alone;
      expect(Object.keys(expected.logits)).toHaveLength(MAX_TOKENS);
      const actual = await run({ ...common, ...schedule });
      expect(actual.logits).toEqual(expected.logits);
    },
  );

  test("does not give the bits of f32", async () => {
    const plain = await run({
      ...common,
      kvType: "f32",
      variant: "simd128",
      threads: 1,
      copies: 1,
      chunk: 64,
    });
    expect((await alone).logits).not.toEqual(plain.logits);
  });
});
