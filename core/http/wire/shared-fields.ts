import * as v from "valibot";
import { RuntimeError } from "../../errors.ts";
import { MAX_LORA_SCALE, MAX_LORAS } from "../../lora/limits.ts";
import type { SamplingParams } from "../../sampler/params.ts";
import type { Asked, AskedLora } from "./asked.ts";
import { invalid } from "./check.ts";
import { flag, integer, list, maybe, number, object, record, text } from "./fields.ts";

/** The largest signed 32-bit integer: above every context, below every overflow. */
const MAX_INT32 = 2 ** 31 - 1;

/** Stop strings: OpenAI allows 4, other servers more. */
const MAX_STOPS = 16;
const MAX_STOP_LENGTH = 256;

/** Entries of `logit_bias`; each is looked up at every token. */
const MAX_LOGIT_BIASES = 1024;

/** Turns of a conversation; each costs the template some steps. */
export const MAX_MESSAGES = 1024;

/** Answers to one request, all prompts together; OpenAI allows as many. */
export const MAX_CHOICES = 128;

/** Window of the repetition penalty: the longest context that these models have. */
const MAX_REPEAT_LAST_N = 1_048_576;

/** More candidates than any vocabulary has. */
const MAX_TOP_K = 1_000_000;

type Field<T> = v.GenericSchema<unknown, T | undefined>;

const stop: v.GenericSchema<unknown, string[]> = v.lazy((input) =>
  typeof input === "string"
    ? v.pipe(
        stopString(),
        v.transform((one) => [one]),
      )
    : list(stopString(), 0, MAX_STOPS, "texts"),
);

/** Half of a surrogate pair could never be found in text without tearing a character. */
function stopString(): v.GenericSchema<unknown, string> {
  return v.pipe(
    text(1, MAX_STOP_LENGTH),
    v.check((one) => !/\p{Surrogate}/u.test(one), "text without half surrogate pairs"),
  );
}

const logitBias: v.GenericSchema<unknown, (readonly [number, number])[]> = v.pipe(
  record(/^(0|[1-9]\d{0,9})$/, number(-100, 100), MAX_LOGIT_BIASES, "token ids with biases"),
  v.transform((biases) => Object.entries(biases).map(([id, bias]) => [Number(id), bias] as const)),
);

/** llama-server names adapters by their numbers. */
const lora: v.GenericSchema<unknown, AskedLora[]> = list(
  v.pipe(
    object({
      id: maybe(integer(0, MAX_LORAS - 1)),
      name: maybe(text(1, 64)),
      scale: maybe(number(-MAX_LORA_SCALE, MAX_LORA_SCALE)),
    }),
    v.check(({ id, name }) => (id === undefined) !== (name === undefined), "an id or a name"),
  ),
  0,
  MAX_LORAS,
  "adapters",
);

const anySafeInteger = integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);

/** Fields of every request for a completion, whether it has messages or a prompt. */
export interface SharedFields {
  readonly model: v.GenericSchema<unknown, string>;
  readonly max_tokens: Field<number>;
  readonly temperature: Field<number>;
  readonly top_p: Field<number>;
  readonly top_k: Field<number>;
  readonly min_p: Field<number>;
  readonly typical_p: Field<number>;
  readonly repeat_penalty: Field<number>;
  readonly repeat_last_n: Field<number>;
  readonly presence_penalty: Field<number>;
  readonly frequency_penalty: Field<number>;
  readonly logit_bias: Field<(readonly [number, number])[]>;
  readonly lora: Field<AskedLora[]>;
  readonly seed: Field<number>;
  readonly random_seed: Field<number>;
  readonly stop: Field<string[]>;
  readonly stream: Field<boolean>;
  readonly stream_options: Field<{ include_usage: boolean | undefined }>;
  readonly user: Field<string>;
  readonly metadata: Field<Readonly<Record<string, string>>>;
  readonly safety_identifier: Field<string>;
  readonly prompt_cache_key: Field<string>;
  readonly service_tier: Field<string>;
}

/** How to read {@linkcode SharedFields}. Every number has both its bounds. */
export const SHARED_FIELDS: SharedFields = {
  model: text(1, 256),
  max_tokens: maybe(integer(1, MAX_INT32)),
  temperature: maybe(number(0, 2)),
  top_p: maybe(number(0, 1)),
  top_k: maybe(integer(0, MAX_TOP_K)),
  min_p: maybe(number(0, 1)),
  typical_p: maybe(number(0, 1)),
  repeat_penalty: maybe(number(0.01, 10)),
  repeat_last_n: maybe(integer(-1, MAX_REPEAT_LAST_N)),
  presence_penalty: maybe(number(-2, 2)),
  frequency_penalty: maybe(number(-2, 2)),
  logit_bias: maybe(logitBias),
  lora: maybe(lora),
  seed: maybe(anySafeInteger),
  random_seed: maybe(anySafeInteger),
  stop: maybe(stop),
  stream: maybe(flag()),
  stream_options: maybe(
    object({ include_usage: maybe(flag()), include_obfuscation: maybe(flag()) }),
  ),
  user: maybe(text(0, 512)),
  metadata: maybe(record(/^[^]{1,64}$/, text(0, 512), 16, "texts with keys of 1 to 64 characters")),
  safety_identifier: maybe(text(0, 512)),
  prompt_cache_key: maybe(text(0, 512)),
  service_tier: maybe(text(1, 32)),
};

/** What the shared fields may say, under OpenAI's names; APIs with other names say it in these. */
export type SharedValues = { readonly model: string } & {
  readonly [K in keyof SharedFields]?: v.InferOutput<SharedFields[K]>;
};

/**
 * What the shared fields ask for. Absent sampling settings take OpenAI's defaults: temperature 1,
 * everything else off, a random seed.
 */
export function toAsked(
  values: SharedValues,
  ignored: readonly string[],
): Omit<Asked, "logprobs" | "promptParam" | "candidates" | "choices"> {
  if (values.stream_options !== undefined && values.stream !== true) {
    throw new RuntimeError(
      "INVALID_REQUEST",
      "Cannot accept 'stream_options': it is for requests with stream: true",
      { param: "stream_options" },
    );
  }
  return {
    model: values.model,
    maxTokens: values.max_tokens,
    sampling: toSampling(values),
    ...(values.lora === undefined ? {} : { lora: values.lora }),
    seeded: values.seed !== undefined || values.random_seed !== undefined,
    stop: values.stop ?? [],
    stream: values.stream ?? false,
    includeUsage: values.stream_options?.include_usage ?? false,
    ignored,
  };
}

/** How many answers each prompt gets. Throws `INVALID_REQUEST` for more than {@linkcode MAX_CHOICES} in all. */
export function countChoices(
  prompts: number,
  candidates: number,
  choices: number,
): Pick<Asked, "candidates" | "choices"> {
  if (prompts * candidates > MAX_CHOICES) {
    throw invalid(
      candidates > choices ? "best_of" : "n",
      `${prompts} prompts with ${candidates} answers each are more than ${MAX_CHOICES} answers`,
    );
  }
  return { candidates, choices };
}

function toSampling(values: SharedValues): SamplingParams {
  return {
    temperature: values.temperature ?? 1,
    topK: values.top_k ?? 0,
    topP: values.top_p ?? 1,
    minP: values.min_p ?? 0,
    typicalP: values.typical_p ?? 1,
    repeatPenalty: values.repeat_penalty ?? 1,
    repeatLastN: values.repeat_last_n ?? 64,
    presencePenalty: values.presence_penalty ?? 0,
    frequencyPenalty: values.frequency_penalty ?? 0,
    logitBias: values.logit_bias ?? [],
    seed: toSeed(values.seed, values.random_seed),
  };
}

/** The seed modulo 2³², which is what the sampler takes; `random_seed` is Mistral's name for it. */
function toSeed(seed: number | undefined, randomSeed: number | undefined): number {
  if (seed !== undefined && randomSeed !== undefined && seed !== randomSeed) {
    throw new RuntimeError(
      "INVALID_REQUEST",
      "Cannot accept 'random_seed': it differs from 'seed'; send one of them",
      { param: "random_seed" },
    );
  }
  const given = seed ?? randomSeed;
  if (given !== undefined) return Number(BigInt.asUintN(32, BigInt(given)));
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}
