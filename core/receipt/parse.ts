import * as v from "valibot";
import { RuntimeError } from "../errors.ts";
import { check } from "../http/wire/check.ts";
import { integer, list, number, object, text } from "../http/wire/fields.ts";
import { parseJson } from "../http/wire/json.ts";
import { KV_TYPES } from "../tensor/kv-type.ts";
import { MAX_NAME_LENGTH, RECEIPT_VERSION, type Receipt } from "./receipt.ts";

/** The longest context that these models have. */
const MAX_TOKENS = 1_048_576;

/** Two lists of tokens at 8 bytes each and one of log-probabilities at 24: about 40 MiB at the longest. */
export const MAX_RECEIPT_BYTES: number = 64 * 1024 * 1024;

/** Command lines give a few; each is searched for at every token. */
const MAX_STOPS = 64;
const MAX_STOP_LENGTH = 4096;

/** As HTTP requests have it: each is looked up at every token. */
const MAX_LOGIT_BIASES = 1024;

/** Above every vocabulary, below every overflow. */
const MAX_TOKEN = 2 ** 31 - 1;

/** Above what any sampling setting means; the sampler takes every finite number. */
const MAX_SETTING = 100;

/** The longest name of a kind of backend. */
const MAX_BACKEND_LENGTH = 32;

const token = integer(0, MAX_TOKEN);
const setting = number(-MAX_SETTING, MAX_SETTING);
const share = number(0, 1);

/** Every field is required: a setting that a receipt does not name is one that it does not prove. */
const RECEIPT = object({
  sirocco_receipt: integer(RECEIPT_VERSION, RECEIPT_VERSION),
  model: object({
    name: text(0, MAX_NAME_LENGTH),
    digest: pattern(/^[0-9a-f]{16,64}$/, "16 to 64 hex digits"),
  }),
  numerics: object({
    version: integer(1, Number.MAX_SAFE_INTEGER),
    backend: text(1, MAX_BACKEND_LENGTH),
    kv_type: v.picklist(KV_TYPES, `one of ${KV_TYPES.join(", ")}`),
  }),
  prompt: list(token, 1, MAX_TOKENS, "tokens"),
  max_tokens: integer(1, MAX_TOKENS),
  stop: list(text(1, MAX_STOP_LENGTH), 0, MAX_STOPS, "texts"),
  sampling: object({
    temperature: number(0, MAX_SETTING),
    top_k: integer(0, Number.MAX_SAFE_INTEGER),
    top_p: share,
    min_p: share,
    typical_p: share,
    repeat_penalty: number(0.01, MAX_SETTING),
    repeat_last_n: integer(-1, Number.MAX_SAFE_INTEGER),
    presence_penalty: setting,
    frequency_penalty: setting,
    logit_bias: list(v.strictTuple([token, setting]), 0, MAX_LOGIT_BIASES, "pairs"),
    seed: integer(0, 2 ** 32 - 1),
  }),
  tokens: list(token, 0, MAX_TOKENS, "tokens"),
  logprobs: list(number(-Number.MAX_VALUE, Number.MAX_VALUE), 0, MAX_TOKENS, "numbers"),
  finish_reason: v.picklist(["stop", "length"], "stop or length"),
  digest: pattern(/^sha256:[0-9a-f]{64}$/, "sha256: and 64 hex digits"),
});

/**
 * A receipt from its JSON text, which may say anything: every field is checked, and that the answer is true
 * is not believed. Throws `INVALID_REQUEST` with the field at fault, and `UNSUPPORTED_PARAMETER` for a field
 * that is not known.
 */
export function parseReceipt(json: string): Receipt {
  const fields = check(RECEIPT, parse(json), [], "the receipt");
  const { numerics, sampling, tokens, logprobs } = fields;
  if (logprobs.length !== tokens.length) {
    throw new RuntimeError(
      "INVALID_REQUEST",
      `Cannot accept the receipt: it has ${tokens.length} tokens and ${logprobs.length} logprobs`,
      { param: "logprobs" },
    );
  }
  return {
    model: fields.model,
    numerics: { version: numerics.version, backend: numerics.backend, kvType: numerics.kv_type },
    prompt: fields.prompt,
    maxTokens: fields.max_tokens,
    stop: fields.stop,
    sampling: {
      temperature: sampling.temperature,
      topK: sampling.top_k,
      topP: sampling.top_p,
      minP: sampling.min_p,
      typicalP: sampling.typical_p,
      repeatPenalty: sampling.repeat_penalty,
      repeatLastN: sampling.repeat_last_n,
      presencePenalty: sampling.presence_penalty,
      frequencyPenalty: sampling.frequency_penalty,
      logitBias: sampling.logit_bias,
      seed: sampling.seed,
    },
    tokens,
    logprobs,
    finishReason: fields.finish_reason,
    digest: fields.digest,
  };
}

function parse(json: string): unknown {
  try {
    return parseJson(json);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RuntimeError("INVALID_REQUEST", `Cannot read the receipt: ${why}`, { cause });
  }
}

function pattern(expression: RegExp, message: string): v.GenericSchema<unknown, string> {
  return v.pipe(v.string(message), v.regex(expression, message));
}
