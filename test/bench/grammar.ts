/**
 * What a grammar costs per token: the mask before each token and the step after it, in this thread, on vocabularies
 * of real models. `npm run bench:grammar`.
 */
import { existsSync, readFileSync } from "node:fs";
import { openGguf } from "../../core/gguf/parse.ts";
import { bytesSource } from "../../core/gguf/source.ts";
import { compileFormat } from "../../core/grammar/compile.ts";
import type { AnswerFormat } from "../../core/grammar/format.ts";
import { isAllowed } from "../../core/grammar/masks.ts";
import { createMatchers } from "../../core/grammar/matcher.ts";
import { tokenBytes } from "../../core/grammar/token-bytes.ts";
import { indexTokens } from "../../core/grammar/token-index.ts";
import { createTokenizer } from "../../core/tokenizer/create.ts";
import type { Tokenizer } from "../../core/tokenizer/tokenizer.ts";
import { DEMO_FILE } from "../fixtures/demo.ts";
import { createRandom } from "../fixtures/random.ts";
import { shared } from "../fixtures/shared.ts";
import { describeMachine } from "./machine.ts";

const FILES: readonly (readonly [string, string | undefined])[] = [
  [
    "SmolLM2",
    new URL("../../.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf", import.meta.url).pathname,
  ],
  ["Llama 2 and Mistral v0.1", shared("data/tokenizers/ggml-vocab/ggml-vocab-llama-spm.gguf")],
  ["the demo model", DEMO_FILE],
];

/** Texts that a model might write, so that masks are those of real places in them. */
const CASES: readonly (readonly [string, AnswerFormat, string])[] = [
  [
    "any JSON object",
    { type: "json_object" },
    JSON.stringify({
      name: "Ada Lovelace",
      born: 1815,
      known: true,
      works: [{ title: 'Notes on the "Engine"', pages: 66.5, year: null }],
      address: { city: "London", street: "12 St James's Square" },
    }),
  ],
  [
    "a schema of an order",
    {
      type: "json_schema",
      schema: {
        type: "object",
        properties: {
          id: { type: "string", pattern: "^[A-Z]{2}-\\d{4}$" },
          customer: {
            type: "object",
            properties: { name: { type: "string" }, email: { type: "string", format: "email" } },
            required: ["name"],
            additionalProperties: false,
          },
          items: {
            type: "array",
            items: {
              type: "object",
              properties: {
                sku: { enum: ["bolt", "nut", "washer"] },
                count: { type: "integer", minimum: 1, maximum: 500 },
                price: { type: "number", minimum: 0 },
              },
              required: ["sku", "count"],
              additionalProperties: false,
            },
          },
          note: { anyOf: [{ type: "string", maxLength: 200 }, { type: "null" }] },
        },
        required: ["id", "customer", "items", "note"],
        additionalProperties: false,
      },
    },
    JSON.stringify({
      id: "AB-1234",
      customer: { name: "Grace Hopper", email: "grace@navy.example.org" },
      items: [
        { sku: "bolt", count: 12, price: 0.25 },
        { sku: "washer", count: 400 },
      ],
      note: "Please deliver before noon, and ring twice: the bell is not very loud.",
    }),
  ],
  [
    "strings of bounded length",
    {
      type: "json_schema",
      schema: { type: "array", items: { type: "string", minLength: 3, maxLength: 60 } },
    },
    JSON.stringify([
      "a short one",
      "one that is somewhat longer than the others are",
      "täglich grüßt das Murmeltier",
    ]),
  ],
  [
    "a regular expression",
    { type: "regex", pattern: "([A-Z][a-z]{1,20} ){2,5}was born in \\d{4}\\." },
    "Ada Augusta King was born in 1815.",
  ],
];

/** Answers by chance: they lead to places in a grammar that no answer has been to, as those of users do. */
const ANSWERS = 60;
/** Of these the first ones are not counted: a server's grammars have been used before. */
const UNCOUNTED = 20;
const TOKENS = 60;

interface Cost {
  readonly compileMs: number;
  readonly tokens: number;
  /** Microseconds per token: of the text above, with a grammar that nobody has used, and of answers by chance. */
  readonly first: readonly number[];
  readonly chance: readonly number[];
}

/** A name of its own keeps a grammar from being known already. */
let measured = 0;

function measure(tokenizer: Tokenizer, format: AnswerFormat, text: string): Cost {
  const vocabulary = tokenBytes(tokenizer);
  indexTokens(vocabulary);
  const begun = performance.now();
  const grammar = compileFormat(format, `format ${++measured}`);
  const compileMs = performance.now() - begun;
  const matchers = createMatchers();
  const random = createRandom(1);
  const stops = [...tokenizer.stops];

  /** Follow a text, or chance where there is none. */
  function follow(tokens: readonly number[] | undefined): number[] {
    const matcher = matchers.start(grammar, vocabulary, stops, true);
    const costs: number[] = [];
    for (let i = 0; i < (tokens?.length ?? TOKENS); i++) {
      const start = performance.now();
      const mask = matcher.mask();
      const masked = performance.now();
      const token = tokens?.[i] ?? choose(mask);
      if (tokenizer.stops.has(token)) break;
      const chosen = performance.now();
      const fits = isAllowed(mask, token) && matcher.push(token);
      costs.push((masked - start + performance.now() - chosen) * 1000);
      if (!fits) throw new Error(`Cannot go on: token ${i} of ${text} does not fit`);
    }
    return costs;
  }

  function choose(mask: Uint32Array): number {
    let token = random.int(0, vocabulary.size - 1);
    while (!isAllowed(mask, token)) token = (token + 1) % vocabulary.size;
    return token;
  }

  const own = tokenizer.encode(text);
  const first = follow(own);
  const answers = Array.from({ length: ANSWERS }, () => follow(undefined));
  return { compileMs, tokens: own.length, first, chance: answers.slice(UNCOUNTED).flat() };
}

function percentile(values: readonly number[], share: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(1);
}

function milliseconds({ user, system }: NodeJS.CpuUsage): string {
  return ((user + system) / 1000).toFixed(1);
}

/** Milliseconds of CPU, of this thread and of all, until the first mask of a vocabulary's first grammar is there. */
function firstUse(tokenizer: Tokenizer): string {
  const [own, all] = [process.threadCpuUsage(), process.cpuUsage()];
  const grammar = compileFormat({ type: "json_object" }, "first use");
  createMatchers()
    .start(grammar, tokenBytes(tokenizer), [...tokenizer.stops], true)
    .mask();
  return `${milliseconds(process.threadCpuUsage(own))} ms, ${milliseconds(process.cpuUsage(all))} with the compiler's`;
}

const rows: string[][] = [];
for (const [name, file] of FILES) {
  if (file === undefined || !existsSync(file)) {
    console.error(`${name}: not here`);
    continue;
  }
  const gguf = await openGguf(bytesSource(new Uint8Array(readFileSync(file))));
  const tokenizer = createTokenizer(gguf.metadata);
  console.error(`${name}: first use took ${firstUse(tokenizer)}`);
  // The code is compiled by use; what is measured is a server that has been running for a while.
  for (const [, format, text] of CASES) measure(tokenizer, format, text);
  for (const [kind, format, text] of CASES) {
    const { compileMs, tokens, first, chance } = measure(tokenizer, { ...format }, text);
    rows.push([
      `${name}, ${tokenizer.vocabSize}`,
      kind,
      String(tokens),
      compileMs.toFixed(1),
      percentile(first, 0.5),
      percentile(first, 0.9),
      percentile(first, 1),
      percentile(chance, 0.5),
      percentile(chance, 0.99),
    ]);
  }
}
console.log(`${describeMachine().cpu}, Node ${process.versions.node}\n`);
const head = [
  "vocabulary",
  "grammar",
  "tokens",
  "compile, ms",
  "first text p50, us",
  "p90",
  "most",
  "by chance p50, us",
  "p99",
];
for (const row of [head, head.map(() => "---"), ...rows]) console.log(`| ${row.join(" | ")} |`);
