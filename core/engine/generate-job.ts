import type { Backlog } from "./backlog.ts";
import type { RuntimeError } from "../errors.ts";
import { logprobOf, topLogprobs } from "../sampler/logprobs.ts";
import { createSampler } from "../sampler/sampler.ts";
import type { LogitQuery, LogitSummary } from "../tensor/logits.ts";
import type { GenerateEvent, GenerateRequest, TokenEvent } from "./engine.ts";
import type { Drafter } from "./drafter.ts";
import { chooseLora } from "./lora.ts";
import type { Guesser, Job, Tally } from "./job.ts";
import { createSequence } from "./sequence.ts";
import { END, type Steering } from "./steering.ts";
import type { Stream } from "./stream.ts";

/** What a request is answered with. */
export interface GenerateContext {
  readonly tally: Tally;
  readonly backlog: Pick<Backlog, "answered">;
  /** Absent where any text will do. */
  readonly steering: Steering | undefined;
  /** Absent where tokens are not guessed. */
  readonly drafter: Drafter | undefined;
  /** The engine's adapters. */
  readonly loras: readonly string[];
  /** When the request came. */
  readonly arrived: number;
}

/** Answers a request: samples a token whenever its sequence has caught up, and streams it. */
export function createGenerateJob(
  request: GenerateRequest,
  limit: number,
  vocabSize: number,
  stream: Stream<GenerateEvent>,
  { tally, backlog, steering, drafter, loras, arrived }: GenerateContext,
): Job {
  const { tokens: prompt, emitted = [], sampling, logprobs: alternatives } = request;
  const known = [...prompt, ...emitted];
  const sampler = createSampler(sampling, vocabSize);
  const stops = new Set([...request.stopTokens, ...(steering === undefined ? [] : [END])]);
  const sequence = createSequence(known, limit, known.length - 1, stops, {
    ...request,
    lora: chooseLora(loras, request.lora),
  });
  /** The tokens whose logits are changed before one is chosen. */
  let changed: Int32Array | undefined;

  /** The token in place of the one that chance chose, while its row of logits is asked for. */
  let corrected: number | undefined;

  let generated = emitted.length;
  let begun: number | undefined;
  let first: number | undefined;
  let last = 0;

  function ask(from: number, count: number, queries: LogitQuery[]): void {
    for (let i = 0; i < count; i++) askRow(from + i, sequence.draft.slice(0, i), queries);
  }

  function askRow(row: number, guesses: readonly number[], queries: LogitQuery[]): void {
    const mask = steering?.mask(guesses);
    const plain = sampler.ask(row, sequence.tokens, generated + guesses.length);
    const query = mask === undefined ? plain : { ...plain, mask };
    changed = query.changes?.ids.subarray(0, query.changes.count);
    if (alternatives === undefined) {
      queries.push(query);
    } else if (changed === undefined && steering === undefined) {
      queries.push({ ...query, k: Math.max(query.k, alternatives), mass: true });
    } else {
      // Probabilities are reported as they were before the changes.
      queries.push({ row, k: alternatives, mass: true, tokens: changed ?? [] }, query);
    }
  }

  function take(
    answers: readonly LogitSummary[],
    now: number,
    row?: Float32Array,
  ): number | "row" | undefined {
    const answer = answers.at(-1)!;
    const chosen =
      row === undefined
        ? sampler.choose(answer, generated)
        : sampler.chooseFromRow(row, answer, generated);
    if (chosen === undefined) return "row";
    let token = chosen;
    try {
      token = corrected ?? steering?.correct(chosen) ?? chosen;
    } catch (error) {
      stream.fail(error);
      return undefined;
    }
    // What it was in place of, the answers tell; to report how likely it was takes the row.
    if (token !== chosen && row === undefined && alternatives !== undefined && !stops.has(token)) {
      corrected = token;
      return "row";
    }
    corrected = undefined;
    steering?.take(token);
    if (first === undefined) {
      first = now;
      // Once for an answer, however many engines it takes.
      if (emitted.length === 0) tally.promptTokens += prompt.length;
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
    // What is among neither was taken for want of anything likelier.
    return token === drawn ? drawnLogit : (logits[ids.indexOf(token)] ?? -Infinity);
  }

  function finish(reason: "stop" | "length"): void {
    backlog.answered(generated);
    const start = begun ?? arrived;
    const answered = first ?? start;
    const timings = {
      queueMs: start - arrived,
      prefillMs: answered - start,
      decodeMs: generated > emitted.length ? last - answered : 0,
      promptTokens: prompt.length,
      generatedTokens: generated,
      preemptions: sequence.preemptions,
    };
    stream.push({ type: "done", reason: steering?.ending(reason) ?? reason, timings });
    stream.end();
  }

  const guesser: Guesser = {
    ask(row, guesses) {
      const mask = steering?.preview(guesses);
      if (steering !== undefined && mask === undefined) return undefined;
      const query = sampler.ask(row, sequence.tokens, generated + guesses.length);
      const k = query.k > 0 || query.draw !== undefined ? query.k : 1;
      return { ...query, k, ...(mask === undefined ? {} : { mask }) };
    },
    // Where the answer does not tell, the likeliest is as good a guess as any.
    choose: (summary, ahead) => sampler.choose(summary, generated + ahead) ?? summary.ids[0] ?? 0,
  };

  return {
    sequence,
    ...(drafter === undefined ? {} : { drafter, guesser }),
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
