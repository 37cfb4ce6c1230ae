import type * as v from "valibot";
import { check, unsupported } from "../wire/check.ts";
import { flag, integer, maybe, number, object } from "../wire/fields.ts";
import { SHARED_FIELDS, type SharedValues } from "../wire/shared-fields.ts";

const MAX_INT32 = 2 ** 31 - 1;

const OPTIONS = {
  // As many as the context holds where it is negative.
  num_predict: maybe(integer(-2, MAX_INT32)),
  seed: SHARED_FIELDS.seed,
  temperature: SHARED_FIELDS.temperature,
  top_k: SHARED_FIELDS.top_k,
  top_p: SHARED_FIELDS.top_p,
  min_p: SHARED_FIELDS.min_p,
  typical_p: SHARED_FIELDS.typical_p,
  repeat_last_n: SHARED_FIELDS.repeat_last_n,
  repeat_penalty: SHARED_FIELDS.repeat_penalty,
  presence_penalty: SHARED_FIELDS.presence_penalty,
  frequency_penalty: SHARED_FIELDS.frequency_penalty,
  stop: SHARED_FIELDS.stop,
};

/** How a model is loaded, which is settled here before any request comes. */
const LOADING = {
  num_ctx: maybe(integer(0, MAX_INT32)),
  num_batch: maybe(integer(0, MAX_INT32)),
  num_gpu: maybe(integer(-1, MAX_INT32)),
  main_gpu: maybe(integer(0, MAX_INT32)),
  num_thread: maybe(integer(0, MAX_INT32)),
  num_keep: maybe(integer(-1, MAX_INT32)),
  numa: maybe(flag()),
  low_vram: maybe(flag()),
  f16_kv: maybe(flag()),
  logits_all: maybe(flag()),
  vocab_only: maybe(flag()),
  use_mmap: maybe(flag()),
  use_mlock: maybe(flag()),
  embedding_only: maybe(flag()),
};

/** Samplers that there are not; their neutral values ask for nothing. */
const NEUTRAL: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["mirostat", 0],
  ["tfs_z", 1],
  ["penalize_newline", true],
]);

const options = object({
  ...OPTIONS,
  ...LOADING,
  mirostat: maybe(integer(0, 2)),
  mirostat_tau: maybe(number(0, 100)),
  mirostat_eta: maybe(number(0, 1)),
  tfs_z: maybe(number(0, 1)),
  penalize_newline: maybe(flag()),
});

/** Ollama's own settings where a request has none (docs/modelfile.md of Ollama). */
const DEFAULTS = { temperature: 0.8, top_k: 40, top_p: 0.9, repeat_penalty: 1.1 };

/** `options` in OpenAI's names, and those that change nothing. Throws `INVALID_REQUEST`, `UNSUPPORTED_PARAMETER`. */
export function fromOptions(given: unknown): {
  readonly values: Omit<SharedValues, "model">;
  readonly ignored: readonly string[];
} {
  const values: v.InferOutput<typeof options> = check(options, given ?? {}, ["options"]);
  const entries = new Map<string, unknown>(Object.entries(values));
  for (const [name, neutral] of NEUTRAL) {
    if ((entries.get(name) ?? neutral) !== neutral) {
      throw unsupported(`options.${name}`, `only ${String(neutral)} is served`);
    }
  }
  const without = [...Object.keys(LOADING), "mirostat_tau", "mirostat_eta"];
  const { num_predict: most = -1 } = values;
  return {
    values: {
      max_tokens: most > 0 ? most : undefined,
      seed: values.seed,
      temperature: values.temperature ?? DEFAULTS.temperature,
      top_k: values.top_k ?? DEFAULTS.top_k,
      top_p: values.top_p ?? DEFAULTS.top_p,
      min_p: values.min_p,
      typical_p: values.typical_p,
      repeat_last_n: values.repeat_last_n,
      repeat_penalty: values.repeat_penalty ?? DEFAULTS.repeat_penalty,
      presence_penalty: values.presence_penalty,
      frequency_penalty: values.frequency_penalty,
      stop: values.stop,
    },
    ignored: without.flatMap((name) =>
      entries.get(name) === undefined ? [] : [`options.${name}`],
    ),
  };
}
