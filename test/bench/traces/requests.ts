import { readFileSync } from "node:fs";
import { hash32 } from "../../../core/pool/affinity.ts";
import { parseTrace } from "../../../adapters/node/load-test/trace.ts";

/** A request of a replay. */
export interface Replayed {
  /** When it is due, in milliseconds from the beginning. */
  readonly atMs: number;
  /** Tokens of its prompt. */
  readonly prompt: readonly number[];
  /** Tokens of its answer. */
  readonly maxTokens: number;
}

/** What a replay is made of. */
export interface Sample {
  readonly requests: readonly Replayed[];
  /** What was done to the trace, for the report. */
  readonly about: string;
}

/** Tokens of the demo model that are words and pieces of words: neither bytes nor marks. */
const FIRST_TOKEN = 300;
const TOKENS = 1600;

/** Tokens to a hash of Mooncake's traces. */
const MOONCAKE_BLOCK = 512;
/** And to a hash of a replay: the longest prompts fit into the demo model's 2048 tokens, most are not short. */
const BLOCK = 8;
/** Prompts are shorter by this much, and answers, which are short to begin with, by less. */
const PROMPT_SCALE = MOONCAKE_BLOCK / BLOCK;
const ANSWER_SCALE = 8;
/** Room for answers in the model's context. */
const LONGEST_PROMPT = 1800;
/** One conversation in so many is replayed, whole: whatever repeats does so within conversations. */
const ONE_IN = 12;

interface MooncakeRow {
  readonly timestamp: number;
  readonly input_length: number;
  readonly output_length: number;
  readonly hash_ids: readonly number[];
}

/**
 * Every twelfth conversation of a trace of Mooncake's form, told apart by its first hash, in `milliseconds` in all. Equal
 * hashes become equal tokens, so that what is shared is the trace's; which tokens they are is made up.
 */
export function mooncakeSample(file: string, milliseconds: number): Sample {
  const rows = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as MooncakeRow);
  const conversations = [...new Set(rows.map(({ hash_ids: [first] }) => first))];
  const chosen = new Set(conversations.filter((_, i) => i % ONE_IN === 0));
  const sample = rows.filter(({ hash_ids: [first] }) => chosen.has(first));
  const last = rows.at(-1)?.timestamp ?? 1;
  let cut = 0;
  const requests = sample.map((row): Replayed => {
    const length = Math.max(Math.round(row.input_length / PROMPT_SCALE), 1);
    if (length > LONGEST_PROMPT) cut++;
    const prompt = row.hash_ids.flatMap((hash) => blockOf(`${hash}`));
    return {
      atMs: (row.timestamp / last) * milliseconds,
      prompt: prompt.slice(0, Math.min(length, LONGEST_PROMPT)),
      maxTokens: Math.max(Math.round(row.output_length / ANSWER_SCALE), 1),
    };
  });
  return {
    requests,
    about: `${requests.length} requests, every twelfth conversation of ${rows.length}; ${Math.round(last / 1000)} s become ${milliseconds / 1000}, blocks of ${MOONCAKE_BLOCK} tokens ${BLOCK}, answers an eighth; ${cut} prompts were cut to ${LONGEST_PROMPT} tokens`,
  };
}

/** Requests of Azure's trace that are replayed: the first ones. */
const AZURE_REQUESTS = 300;
const AZURE_SCALE = 8;

/** The first requests of a trace of Azure's form, which tells lengths and times: each prompt is one of its own. */
export function azureSample(file: string, milliseconds: number): Sample {
  const entries = parseTrace(readFileSync(file, "utf8")).slice(0, AZURE_REQUESTS);
  const first = entries[0]?.atMs ?? 0;
  const span = Math.max((entries.at(-1)?.atMs ?? 0) - first, 1);
  const requests = entries.map(({ atMs, promptTokens, maxTokens }, i): Replayed => {
    const length = Math.min(Math.max(Math.round(promptTokens / AZURE_SCALE), 1), LONGEST_PROMPT);
    const blocks = Array.from({ length: Math.ceil(length / BLOCK) }, (_, j) => `azure ${i} ${j}`);
    return {
      atMs: ((atMs - first) / span) * milliseconds,
      prompt: blocks.flatMap(blockOf).slice(0, length),
      maxTokens: Math.max(Math.round(maxTokens / AZURE_SCALE), 1),
    };
  });
  return {
    requests,
    about: `the first ${requests.length} requests; ${Math.round(span / 1000)} s become ${milliseconds / 1000}, prompts and answers an eighth`,
  };
}

/** The same lengths and times, with a beginning of its own for each prompt: nothing is shared. */
export function unshared(requests: readonly Replayed[]): readonly Replayed[] {
  return requests.map((request, i) => {
    const own = [...blockOf(`own ${i}`), ...blockOf(`own too ${i}`)];
    const { prompt } = request;
    return { ...request, prompt: [...own, ...prompt.slice(own.length)].slice(0, prompt.length) };
  });
}

function blockOf(name: string): readonly number[] {
  return Array.from({ length: BLOCK }, (_, i) => FIRST_TOKEN + (hash32(`${name} ${i}`) % TOKENS));
}
