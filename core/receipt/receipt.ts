import type { Numerics } from "../engine/numerics.ts";
import type { SamplingParams } from "../sampler/params.ts";
import { sha256Hex } from "./sha256.ts";

/** The only version of receipts so far. */
export const RECEIPT_VERSION = 1;

/** Characters of a model's name that a receipt repeats; names are for people. */
export const MAX_NAME_LENGTH = 256;

/** What is needed to compute an answer again, and the answer. */
export interface ReceiptFacts {
  /** The model's name, for people, and its digest in hex. */
  readonly model: { readonly name: string; readonly digest: string };
  /** How it was computed. */
  readonly numerics: Numerics;
  /** The prompt's tokens, at least one. */
  readonly prompt: readonly number[];
  /** The answer was to have at most this many tokens, ≥ 1. */
  readonly maxTokens: number;
  /** The answer was to end before the first of these. */
  readonly stop: readonly string[];
  /** How tokens were chosen. */
  readonly sampling: SamplingParams;
  /** The answer's tokens, those of a stop string included. */
  readonly tokens: readonly number[];
  /**
   * Natural logarithm of each token's probability before any sampling step. It sums up the whole row of
   * logits, so that arithmetic that differs shows long before it chooses another token.
   */
  readonly logprobs: readonly number[];
  /** `stop`: a stop token or a stop string; `length`: the token limit. */
  readonly finishReason: "stop" | "length";
}

/** {@linkcode ReceiptFacts} and what they claim to hash to. */
export interface Receipt extends ReceiptFacts {
  /** What {@linkcode receiptDigest} gives for the facts of an untouched receipt. */
  readonly digest: string;
}

/** The JSON object of a receipt; README.md documents its fields. */
export async function toReceiptJson(facts: ReceiptFacts): Promise<object> {
  return { ...toFields(facts), digest: await receiptDigest(facts) };
}

/** `sha256:` and SHA-256 over the JSON of all fields but `digest`, in the order of {@linkcode toFields}. */
export async function receiptDigest(facts: ReceiptFacts): Promise<string> {
  return `sha256:${await sha256Hex(JSON.stringify(toFields(facts)))}`;
}

/** The fields as they are written, in one fixed order. */
function toFields(facts: ReceiptFacts): object {
  const { model, numerics, sampling } = facts;
  return {
    sirocco_receipt: RECEIPT_VERSION,
    model: { name: model.name, digest: model.digest },
    numerics: {
      version: numerics.version,
      backend: numerics.backend,
      kv_type: numerics.kvType,
    },
    prompt: facts.prompt,
    max_tokens: facts.maxTokens,
    stop: facts.stop,
    sampling: {
      temperature: sampling.temperature,
      top_k: sampling.topK,
      top_p: sampling.topP,
      min_p: sampling.minP,
      typical_p: sampling.typicalP,
      repeat_penalty: sampling.repeatPenalty,
      repeat_last_n: sampling.repeatLastN,
      presence_penalty: sampling.presencePenalty,
      frequency_penalty: sampling.frequencyPenalty,
      logit_bias: sampling.logitBias,
      seed: sampling.seed,
    },
    tokens: facts.tokens,
    logprobs: facts.logprobs,
    finish_reason: facts.finishReason,
  };
}
