import { answer } from "../answer/answer.ts";
import type { Engine, GenerateEvent, GenerateRequest } from "../engine/engine.ts";
import { numericsOf, type Numerics } from "../engine/numerics.ts";
import { RuntimeError } from "../errors.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { receiptDigest, type Receipt } from "./receipt.ts";

/** What a receipt is held against. */
export interface Verifier {
  /** Computes; with a context that holds {@linkcode contextOf} the receipt. */
  readonly engine: Engine;
  /** The model's vocabulary. */
  readonly tokenizer: Tokenizer;
  /** The model's digest, in hex. */
  readonly digest: string;
}

/** Whether an answer was repeated, and where not. */
export type Verdict = SameVerdict | DifferentVerdict;

/** Every token, every log-probability, the end and the receipt's digest are what was computed. */
export interface SameVerdict {
  /** Tells the verdicts apart. */
  readonly same: true;
  /** Tokens that were computed again. */
  readonly tokens: number;
}

/** The first thing that differs. */
export interface DifferentVerdict {
  /** Tells the verdicts apart. */
  readonly same: false;
  /** Place in the answer, from 0; the number of tokens where the end or the digest differs. */
  readonly at: number;
  /**
   * `token`: another token. `logprob`: the same token with another probability. `end`: one of the two
   * answers ends here, or both for different reasons. `digest`: all of these are true, and yet the receipt's
   * digest is not that of its content.
   */
  readonly what: "token" | "logprob" | "end" | "digest";
  /** What the receipt says; `null` where it has ended. */
  readonly expected: number | string | null;
  /** What was computed; `null` where that has ended. */
  readonly actual: number | string | null;
}

/** Tokens that computing a receipt again takes, prompt and answer together. */
export function contextOf(receipt: Receipt): number {
  return receipt.prompt.length + tokensToAsk(receipt);
}

/** One more than there were: what ended the answer has to end it again. Never more than were asked for. */
function tokensToAsk({ maxTokens, tokens }: Receipt): number {
  return Math.min(maxTokens, tokens.length + 1);
}

/** Why a receipt says nothing about this model or these numerics, else `undefined`. */
export function whyNotComparable(
  receipt: Receipt,
  digest: string,
  own: Numerics,
): string | undefined {
  if (receipt.model.digest !== digest) {
    return `it is of the model ${receipt.model.digest} (${receipt.model.name}), this one is ${digest}`;
  }
  const { version, backend, kvType } = receipt.numerics;
  if (version !== own.version) {
    return `it was computed with numerics ${version}, this version of sirocco has ${own.version}`;
  }
  if (backend !== own.backend)
    return `it was computed by the backend ${backend}, this one is ${own.backend}`;
  if (kvType !== own.kvType) return `its cache was ${kvType}, this one is ${own.kvType}`;
  return undefined;
}

/**
 * Compute a receipt's answer again, until the first token that differs. Throws `INVALID_REQUEST` where the
 * receipt is of another model or other numerics or names tokens that the model does not have, and what
 * `Engine.generate` throws.
 */
export async function verifyReceipt(
  receipt: Receipt,
  { engine, tokenizer, digest }: Verifier,
  signal?: AbortSignal,
): Promise<Verdict> {
  const obstacle = whyNotComparable(receipt, digest, numericsOf(engine.info));
  if (obstacle !== undefined) throw invalid(obstacle);
  const { prompt, sampling, stop } = receipt;
  const { vocabSize } = engine.info;
  const biased = sampling.logitBias.map(([token]) => token);
  const unknown = [...prompt, ...biased].find((token) => token >= vocabSize);
  if (unknown !== undefined) {
    throw invalid(`token ${unknown} is not among the ${vocabSize} of this model`);
  }

  const comparison = createComparison(engine, receipt);
  const events = answer(comparison.engine, tokenizer, {
    prompt,
    maxTokens: tokensToAsk(receipt),
    sampling,
    stop,
    ...(signal === undefined ? {} : { signal }),
  });
  let reason = "";
  for await (const event of events) {
    if (event.type === "done") reason = event.reason;
  }
  const { count, difference } = comparison.result();
  if (difference !== undefined) return difference;
  if (count < receipt.tokens.length) {
    return { same: false, at: count, what: "end", expected: receipt.tokens[count]!, actual: null };
  }
  const { finishReason } = receipt;
  if (reason !== finishReason) {
    return { same: false, at: count, what: "end", expected: finishReason, actual: reason };
  }
  const actual = await receiptDigest(receipt);
  if (actual !== receipt.digest) {
    return { same: false, at: count, what: "digest", expected: receipt.digest, actual };
  }
  return { same: true, tokens: count };
}

interface Comparison {
  /** The engine, whose answers end at the first difference. */
  readonly engine: Engine;
  result(): { readonly count: number; readonly difference: DifferentVerdict | undefined };
}

function createComparison(engine: Engine, { tokens, logprobs }: Receipt): Comparison {
  let count = 0;
  let difference: DifferentVerdict | undefined;

  function differs(token: number, logprob: number): DifferentVerdict | undefined {
    const place = { same: false, at: count } as const;
    if (count >= tokens.length) return { ...place, what: "end", expected: null, actual: token };
    if (token !== tokens[count]) {
      return { ...place, what: "token", expected: tokens[count]!, actual: token };
    }
    if (logprob === logprobs[count]) return undefined;
    return { ...place, what: "logprob", expected: logprobs[count]!, actual: logprob };
  }

  async function* generate(request: GenerateRequest): AsyncGenerator<GenerateEvent> {
    for await (const event of engine.generate({ ...request, logprobs: 0 })) {
      if (event.type === "token") {
        difference = differs(event.token, event.logprob ?? Number.NaN);
        if (difference !== undefined) return;
        count++;
      }
      yield event;
    }
  }

  return {
    engine: { ...engine, generate },
    result: () => ({ count, difference }),
  };
}

function invalid(why: string): RuntimeError {
  return new RuntimeError("INVALID_REQUEST", `Cannot verify this receipt: ${why}`);
}
