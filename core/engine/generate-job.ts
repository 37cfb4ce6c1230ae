import type { RuntimeError } from "../errors.ts";
import { logprobs } from "../sampler/logprobs.ts";
import { createSampler } from "../sampler/sampler.ts";
import type { GenerateEvent, GenerateRequest, TokenEvent } from "./engine.ts";
import type { Job, Tally } from "./job.ts";
import { createSequence } from "./sequence.ts";
import type { Stream } from "./stream.ts";

/** Answers a request: samples a token whenever its sequence has caught up, and streams it. */
export function createGenerateJob(
  request: GenerateRequest,
  limit: number,
  vocabSize: number,
  stream: Stream<GenerateEvent>,
  tally: Tally,
  arrived: number,
): Job {
  const { tokens: prompt, sampling, logprobs: alternatives } = request;
  const sampler = createSampler(sampling, vocabSize);
  const stops = new Set(request.stopTokens);
  const sequence = createSequence(prompt, limit, prompt.length - 1, stops);
  // Penalties change logits where they lie, but probabilities are reported as they were before.
  const untouched = alternatives === undefined ? undefined : new Float32Array(vocabSize);

  let generated = 0;
  let begun: number | undefined;
  let first: number | undefined;
  let last = 0;

  function take(rows: readonly Float32Array[], now: number): number {
    const logits = rows[0]!;
    untouched?.set(logits);
    const token = sampler.sample(logits, sequence.tokens, generated);
    if (first === undefined) {
      first = now;
      tally.promptTokens += prompt.length;
    }
    if (stops.has(token)) return token;
    last = now;
    generated++;
    tally.generatedTokens++;
    stream.push(describe(token));
    return token;
  }

  function describe(token: number): TokenEvent {
    if (untouched === undefined || alternatives === undefined) return { type: "token", token };
    return { type: "token", token, ...logprobs(untouched, token, alternatives) };
  }

  function finish(reason: "stop" | "length"): void {
    const start = begun ?? arrived;
    const answered = first ?? start;
    const timings = {
      queueMs: start - arrived,
      prefillMs: answered - start,
      decodeMs: generated > 0 ? last - answered : 0,
      promptTokens: prompt.length,
      generatedTokens: generated,
      preemptions: sequence.preemptions,
    };
    stream.push({ type: "done", reason, timings });
    stream.end();
  }

  return {
    sequence,
    begin(now) {
      begun ??= now;
    },
    take,
    finish,
    fail: (error: RuntimeError) => stream.fail(error),
  };
}
