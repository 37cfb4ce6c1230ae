import type { RuntimeError } from "../errors.ts";
import { logprobOf, topLogprobs } from "../sampler/logprobs.ts";
import { createSampler } from "../sampler/sampler.ts";
import type { LogitQuery, LogitSummary } from "../tensor/logits.ts";
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
  const sequence = createSequence(prompt, limit, prompt.length - 1, stops, request);
  /** The tokens whose logits are changed before one is chosen. */
  let changed: Int32Array | undefined;

  let generated = 0;
  let begun: number | undefined;
  let first: number | undefined;
  let last = 0;

  function ask(row: number, _count: number, queries: LogitQuery[]): void {
    const query = sampler.ask(row, sequence.tokens, generated);
    changed = query.changes?.ids.subarray(0, query.changes.count);
    if (alternatives === undefined) {
      queries.push(query);
    } else if (changed === undefined) {
      queries.push({ ...query, k: Math.max(query.k, alternatives), mass: true });
    } else {
      // Probabilities are reported as they were before the changes.
      queries.push({ row, k: alternatives, mass: true, tokens: changed }, query);
    }
  }

  function take(answers: readonly LogitSummary[], now: number, row?: Float32Array): number | "row" {
    const answer = answers.at(-1)!;
    const token =
      row === undefined
        ? sampler.choose(answer, generated)
        : sampler.chooseFromRow(row, answer, generated);
    if (token === undefined) return "row";
    if (first === undefined) {
      first = now;
      tally.promptTokens += prompt.length;
    }
    if (stops.has(token)) return token;
    last = now;
    generated++;
    tally.generatedTokens++;
    stream.push(describe(token, answers, row));
    return token;
  }

  function describe(
    token: number,
    answers: readonly LogitSummary[],
    row: Float32Array | undefined,
  ): TokenEvent {
    // The first token has been counted by now.
    const found = generated === 1 ? (sequence.cached ?? 0) : 0;
    const cached = found > 0 ? { cachedTokens: found } : {};
    if (alternatives === undefined) return { type: "token", token, ...cached };
    const plain = answers[0]!;
    const logit = untouchedLogit(token, answers, row);
    return {
      type: "token",
      token,
      logprob: logprobOf(plain, logit),
      top: topLogprobs(plain, alternatives),
      ...cached,
    };
  }

  function untouchedLogit(
    token: number,
    answers: readonly LogitSummary[],
    row: Float32Array | undefined,
  ): number {
    const change = changed?.indexOf(token) ?? -1;
    if (change >= 0) return answers[0]!.tokenLogits[change]!;
    if (row !== undefined) return row[token]!;
    const { drawn, drawnLogit, ids, logits } = answers.at(-1)!;
    return token === drawn ? drawnLogit : logits[ids.indexOf(token)]!;
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
    arrived,
    deadline: arrived + (request.deadlineMs ?? Infinity),
    begin(now) {
      begun ??= now;
    },
    ask,
    take,
    finish,
    fail: (error: RuntimeError) => stream.fail(error),
  };
}
