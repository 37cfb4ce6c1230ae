import { several } from "../answer/several.ts";
import { RuntimeError } from "../errors.ts";
import { abortWith } from "./abort.ts";
import { answerTo, metered } from "./answering.ts";
import { parseBody, readText } from "./body.ts";
import type { Start, Usable } from "./cache-turn.ts";
import { fingerprint, giveAtHand, giveKept, openTurnFor, tellOutcome } from "./cached.ts";
import type { AppDeps, HttpLimits, ServedModel } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import { findModel } from "./models.ts";
import { planAnswer } from "./answer-plan.ts";
import { keepLikeliest } from "./likeliest.ts";
import { receiptWriter } from "./receipt.ts";
import type { RequestMemo } from "./request-memo.ts";
import { respondInPieces, respondWhole } from "./respond.ts";
import { resumption } from "./resume.ts";
import type { ServerMetrics } from "./server-metrics.ts";
import { untilServing } from "./serving.ts";
import { urgency } from "./urgency.ts";
import type { Asked } from "./wire/asked.ts";
import type { Format, Head } from "./wire/format.ts";

/** What differs between the APIs and between the kinds of completion. */
export interface Route<A extends Asked> {
  /** Before the id of an answer: `chatcmpl-`. */
  readonly idPrefix: string;
  parse(body: unknown): A;
  prompts(model: ServedModel, asked: A, now: Date): readonly Prompt[];
  format(head: Head, asked: A): Format;
}

/** What is to be continued. */
export interface Prompt {
  readonly tokens: readonly number[];
  /** Text that the answer begins with, though it is not generated. */
  readonly opening?: string;
}

/** What every request shares. */
export interface Server {
  readonly deps: AppDeps;
  readonly limits: HttpLimits;
  readonly metrics: ServerMetrics;
  /** Bodies that were checked before; absent where no answers are kept. */
  readonly memo?: RequestMemo;
}

/**
 * A request from its first byte to the last byte of its answer. Read this first: everything else in
 * this folder is called from here. Throws `RuntimeError` for whatever goes wrong before the first byte
 * of the answer; what goes wrong after it becomes the last event of the stream.
 */
export async function complete<A extends Asked>(
  request: Request,
  route: Route<A>,
  exchange: Exchange,
  server: Server,
): Promise<Response> {
  const { deps, limits } = server;
  // 1. Is anyone at home?
  await untilServing(deps, limits, request.signal);
  // 2. Parse: bytes to JSON to a request whose every field has been checked; or know it from before.
  const text = await readText(request, limits);
  const seen = server.memo?.recall<A>(exchange, text);
  const sent = seen?.asked ?? route.parse(parseBody(text));
  // 3. Which model?
  const model = seen?.model ?? findModel(deps.models(), sent.model);
  exchange.note({ model: model.id, stream: sent.stream });
  exchange.caller.checkModel(model.id);
  const atHand = seen && giveAtHand(request, route, seen, exchange, server);
  if (atHand !== undefined) return atHand;
  const resumed = resumption(request.headers, sent, await fingerprint(model));
  const { asked } = resumed;
  // 4. Has it been answered before?
  const turn = await openTurnFor(request, asked, model, exchange, server, seen?.requestKey);
  if (seen === undefined && turn.requestKey !== undefined)
    server.memo?.keep(exchange, text, { asked, model, requestKey: turn.requestKey });
  const give = (kept: Usable): Response =>
    giveKept(kept, { route, asked, model, exchange, server, turn });
  const kept = await turn.byRequest();
  if (kept !== undefined) return give(kept);
  // 5. The tokens of each prompt, by the chat template or as they stand, and whether what may follow can be told.
  const encoding = deps.now();
  planAnswer(model, asked);
  const prompts = route.prompts(model, asked, new Date(deps.wallClock()));
  const encodeMs = deps.now() - encoding;
  exchange.trace.stage("tokenize", encoding, encoding + encodeMs);
  // 6. Does it fit, into the context and into what the caller may use?
  checkBiases(model, asked);
  resumed.checkAnswers(prompts.length);
  const rooms = prompts.map(({ tokens }) => roomFor(model, asked, tokens.length));
  const promptTokens = sum(prompts.map(({ tokens }) => tokens.length));
  exchange.note({ prompt_tokens: promptTokens });
  const same = await turn.byTokens(prompts, rooms);
  if (same !== undefined) return give(same);
  turn.mustCompute();
  const most = reserve(exchange, asked, promptTokens, rooms);
  // An answer that the caller's allowance cuts short is no answer for anybody else.
  if (asked.maxTokens === undefined && most < Infinity) turn.keepNothing();
  // 7. Answer: the engine's tokens as text, until a stop, the limit, or the client's leaving.
  exchange.trace.ask(asked, model.id);
  const whose = urgency(request.headers, exchange.caller, deps.now() - exchange.arrived);
  const leaving = abortWith(request.signal);
  const receipt = receiptWriter(request.headers, model, asked, prompts.length);
  const start: Start = (all) =>
    several(
      prompts.flatMap((prompt, i) =>
        Array.from({ length: asked.candidates }, (_, candidate) => (signal: AbortSignal) => {
          const meter = server.metrics.answer(model, exchange.arrived);
          const onToken = (): void => {
            meter.token();
            exchange.token();
          };
          const maxTokens = Math.min(most, rooms[i]!);
          const job = { ...prompt, ...whose, maxTokens, candidate, signal, onToken };
          return metered(receipt.watch(answerTo(receipt.model, asked, job, deps)), meter);
        }),
      ),
      all,
    );
  const own = {
    id: `${route.idPrefix}${deps.randomId()}`,
    created: Math.floor(deps.wallClock() / 1000),
    model: model.id,
    fingerprint: await fingerprint(model),
    promptTokens,
    ...resumed.head,
  };
  const { head, events } = turn.compute(own, start, leaving.signal);
  // 8. On the wire, whole or piece by piece.
  const format = resumed.number(receipt.extend(route.format(head, asked)), head);
  const answering = { events, format, prompts: prompts.length, leaving, exchange };
  let response: Response;
  try {
    response = asked.stream
      ? await respondInPieces(answering, limits)
      : await respondWhole({ ...answering, keep: keepLikeliest(asked) }, encodeMs, limits);
  } catch (error) {
    const stale = turn.insteadOf(error);
    if (stale === undefined) throw error;
    return give(stale);
  }
  tellOutcome(response, turn, server);
  if (asked.ignored.length > 0) response.headers.set("x-sirocco-ignored", asked.ignored.join(", "));
  return response;
}

/**
 * Set the tokens of all answers aside; returns how many each may have, whatever its own room. Throws
 * `RATE_LIMITED`.
 */
function reserve(
  exchange: Exchange,
  { maxTokens, candidates }: Asked,
  promptTokens: number,
  rooms: readonly number[],
): number {
  const answers = rooms.length * candidates;
  const room = sum(rooms) * candidates;
  const asked = maxTokens === undefined ? undefined : maxTokens * answers;
  const granted = exchange.reserve(promptTokens, asked, room);
  // An answer cut off by the context ends with `length`, as one cut off by max_tokens does.
  if (maxTokens !== undefined || granted >= room) return maxTokens ?? Infinity;
  return Math.max(Math.floor(granted / answers), 1);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** How many tokens the context has room for. Throws `CONTEXT_LENGTH_EXCEEDED` where there is room for none. */
function roomFor(model: ServedModel, asked: Asked, promptTokens: number): number {
  const room = model.contextLength - promptTokens;
  if (room < 1) {
    throw new RuntimeError(
      "CONTEXT_LENGTH_EXCEEDED",
      `This model's maximum context length is ${model.contextLength} tokens, prompt and answer together; the prompt has ${promptTokens}. Shorten it`,
      { param: asked.promptParam },
    );
  }
  return room;
}

/** Throws `INVALID_REQUEST` where a token does not exist; the vocabulary is known only now. */
function checkBiases(model: ServedModel, asked: Asked): void {
  const unknown = asked.sampling.logitBias.find(([token]) => token >= model.engine.info.vocabSize);
  if (unknown === undefined) return;
  throw new RuntimeError(
    "INVALID_REQUEST",
    `Cannot accept 'logit_bias': token ${unknown[0]} is not among the ${model.engine.info.vocabSize} of this model`,
    { param: "logit_bias" },
  );
}
