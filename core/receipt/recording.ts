import type { Engine, GenerateRequest } from "../engine/engine.ts";
import { numericsOf, sameNumerics, type Numerics } from "../engine/numerics.ts";
import { RuntimeError } from "../errors.ts";
import { MAX_NAME_LENGTH, toReceiptJson, type ReceiptFacts } from "./receipt.ts";

/** An engine, for one answer, that notes what a receipt says about it. */
export interface Recording {
  /** To be asked once. */
  readonly engine: Engine;
  /** The generated tokens so far. */
  readonly tokens: readonly number[];
  /**
   * The receipt's JSON object once the answer has ended. `stop` is what could have ended it beside the
   * engine, `reason` is what did. Rejects with `TypeError` where the answer was not recorded for one.
   */
  receipt(
    model: ReceiptFacts["model"],
    stop: readonly string[],
    reason: ReceiptFacts["finishReason"],
  ): Promise<object>;
}

/** What of a request a receipt says, and what does not reach a bit of the answer. */
const COVERED: ReadonlySet<string> = new Set([
  "tokens",
  "maxTokens",
  "sampling",
  "stopTokens",
  "logprobs",
  "signal",
  "tenant",
  "priority",
  "deadlineMs",
  "admitted",
]);

/**
 * Record one answer of an engine; not `forReceipt`, its tokens only. Else its `generate` throws `UNSUPPORTED_PARAMETER` for a request with anything
 * that receipts do not tell, as nobody could verify it.
 */
export function recordAnswer(engine: Engine, forReceipt = true): Recording {
  const tokens: number[] = [];
  const logprobs: number[] = [];
  let asked: GenerateRequest | undefined;
  let numerics: Numerics | undefined;
  return {
    tokens,
    engine: {
      get info() {
        return engine.info;
      },
      async *generate(request) {
        asked = forReceipt ? provable(request) : request;
        numerics = numericsOf(engine.info);
        for await (const event of engine.generate(asked)) {
          if (event.type === "token") {
            tokens.push(event.token);
            logprobs.push(event.logprob ?? Number.NaN);
          }
          yield event;
        }
      },
      score: (request) => engine.score(request),
      embed: (request) => engine.embed(request),
      stats: () => engine.stats(),
      close: () => engine.close(),
    },
    // An async function turns what this throws into a rejection.
    // eslint-disable-next-line typescript/require-await
    async receipt({ name, digest }, stop, finishReason) {
      if (asked === undefined || numerics === undefined || !forReceipt) {
        throw new TypeError("Cannot write a receipt of what was not recorded for one");
      }
      if (!sameNumerics(numerics, numericsOf(engine.info))) {
        throw new RuntimeError(
          "INTERNAL",
          "Cannot write a receipt: the answer went on on another kind of backend, where its first one broke",
        );
      }
      return toReceiptJson({
        model: { name: name.slice(0, MAX_NAME_LENGTH), digest },
        numerics,
        prompt: asked.tokens,
        maxTokens: asked.maxTokens,
        stop,
        sampling: asked.sampling,
        tokens,
        logprobs,
        finishReason,
      });
    },
  };
}

function provable(request: GenerateRequest): GenerateRequest {
  const more = Object.keys(request).find((field) => !COVERED.has(field));
  if (more !== undefined) {
    throw new RuntimeError(
      "UNSUPPORTED_PARAMETER",
      `Cannot write a receipt: it would not tell the request's ${more}; ask for one of the two`,
    );
  }
  return { ...request, logprobs: request.logprobs ?? 0 };
}
