import type { RuntimeError } from "../errors.ts";
import { logprobOf } from "../sampler/logprobs.ts";
import type { ScoreRequest } from "./engine.ts";
import { chooseLora } from "./lora.ts";
import { type Job, NO_STOPS, type Tally } from "./job.ts";
import { createSequence } from "./sequence.ts";

/** Who waits for scores. */
export interface ScoreReader {
  resolve(scores: Float64Array): void;
  reject(error: RuntimeError): void;
}

/** Judges tokens: each by the logits of the position before it, so the last is never computed. */
export function createScoreJob(
  request: ScoreRequest,
  reader: ScoreReader,
  tally: Tally,
  loras: readonly string[],
  arrived: number,
): Job {
  const { tokens, from } = request;
  const computed = tokens.slice(0, -1);
  const sequence = createSequence(computed, computed.length, from - 1, NO_STOPS, {
    admitted: request.admitted ?? false,
    lora: chooseLora(loras, request.lora),
  });
  const scores = new Float64Array(tokens.length - from);
  // Positions are wanted in order and only once, however often the cache is taken away.
  let done = 0;

  return {
    sequence,
    arrived,
    deadline: Infinity,
    begin: () => {},
    ask(first, count, queries) {
      for (let i = 0; i < count; i++) {
        queries.push({ row: first + i, k: 0, mass: true, tokens: [tokens[from + done + i]!] });
      }
    },
    take(answers) {
      for (const answer of answers) scores[done++] = logprobOf(answer, answer.tokenLogits[0]!);
      return undefined;
    },
    finish() {
      tally.promptTokens += tokens.length;
      reader.resolve(scores);
    },
    fail: (error) => reader.reject(error),
  };
}
