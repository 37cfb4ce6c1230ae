import { several, type ChoiceEvent } from "../answer/several.ts";
import type { PoolModel } from "../pool/node-models.ts";
import { readRelay, relayLoop, type Relay } from "../pool/relay-header.ts";
import { abortWith } from "./abort.ts";
import { answerTo, metered } from "./answering.ts";
import { parseBody, readText } from "./body.ts";
import type { CacheTurn, Start, Usable } from "./cache-turn.ts";
import { checkGenerates } from "./capabilities.ts";
import { giveAtHand, giveKept, openTurnFor, refusedAgain, tellOutcome, writing } from "./cached.ts";
import type { AppDeps, HttpLimits, ServedModel } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import { forwardText, tokensOf } from "./forward.ts";
import { findAnywhere, fingerprint, isHere, type FoundModel } from "./found-model.ts";
import { askAgain, openLadder, type Climber } from "./ladder.ts";
import { planAnswer } from "./answer-plan.ts";
import { answerNothing, type NothingAsked } from "./nothing-asked.ts";
import { keepLikeliest } from "./likeliest.ts";
import { checkLoraModels, withAskedLora } from "./lora-models.ts";
import { receiptWriter, wantsReceipt, type ReceiptWriter } from "./receipt.ts";
import { recompute } from "./recompute.ts";
import {
  checkFingerprint,
  refuseRelayed,
  relayedLimits,
  relayedRoute,
  type RelayedComputing,
} from "./relayed.ts";
import type { Recognised, RequestMemo } from "./request-memo.ts";
import { respondInPieces, respondWhole } from "./respond.ts";
import { resumption, type Resumption } from "./resume.ts";
import { checkBiases, reserve, roomFor, sum } from "./room.ts";
import type { ServerMetrics } from "./server-metrics.ts";
import { untilServing } from "./serving.ts";
import { checkRevealed } from "./revealed.ts";
import { urgency, type Urgency } from "./urgency.ts";
import type { Asked } from "./wire/asked.ts";
import type { Format, Head } from "./wire/format.ts";

/** What differs between the APIs and between the kinds of completion. */
export interface Route<A extends Asked> {
  /** Before the id of an answer: `chatcmpl-`. */
  readonly idPrefix: string;
  /** Tells apart formats of one path; absent for the path's own. */
  readonly form?: string;
  /** Of a request that was passed on. */
  readonly relayed?: RelayedComputing;
  parse(body: unknown): A;
  /** What a body says that asks for no answer; absent where every one does, or where the API knows no such. */
  nothingAsked?(body: unknown): NothingAsked | undefined;
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
  const relay = readRelay(request.headers);
  if (relay === undefined) return await answerRequest(request, route, exchange, server, undefined);
  try {
    const { memo: _, ...rest } = server;
    const patient = { ...rest, limits: relayedLimits(server.limits) };
    return await answerRequest(request, relayedRoute(route, relay), exchange, patient, relay);
  } catch (error) {
    return refuseRelayed(error, exchange);
  }
}

async function answerRequest<A extends Asked>(
  request: Request,
  route: Route<A>,
  exchange: Exchange,
  server: Server,
  relay: Relay | undefined,
): Promise<Response> {
  const { deps, limits } = server;
  // 1. Is anyone at home?
  await untilServing(deps, limits, request);
  // 2. Parse: bytes to JSON to a request whose every field has been checked; or know it from before.
  const text = await readText(request, limits);
  const seen = server.memo?.recall<A>(exchange, text);
  const body = seen === undefined ? parseBody(text) : undefined;
  const nothing = route.nothingAsked?.(body);
  if (nothing !== undefined) return answerNothing(nothing, exchange, deps);
  const given = { text, sent: seen?.asked ?? route.parse(body), seen };
  return await answerAsked(given, request, route, exchange, server, relay);
}

/** A request whose body is understood. */
interface Given<A extends Asked> {
  readonly text: string;
  readonly sent: A;
  /** What is known of the same body from before. */
  readonly seen: Recognised<A> | undefined;
}

/** 3. to 8. of a request. */
async function answerAsked<A extends Asked>(
  { text, sent, seen }: Given<A>,
  request: Request,
  route: Route<A>,
  exchange: Exchange,
  server: Server,
  relay: Relay | undefined,
): Promise<Response> {
  const { deps } = server;
  // 3. Which model, here or in the pool?
  const model =
    seen?.model ?? withAskedLora(findAnywhere(deps, relay?.model ?? sent.model), sent.lora);
  exchange.note({ model: model.id, stream: sent.stream });
  exchange.caller.checkModel(model.id);
  if (sent.lora !== undefined) checkLoraModels(model, (id) => exchange.caller.checkModel(id));
  checkRevealed(sent, request, relay, exchange.caller);
  if (relay !== undefined) admitRelay(relay, model, exchange);
  const climberOf = (asked: A): Climber => ({
    request,
    text,
    asked,
    model,
    exchange,
    server,
    relay,
  });
  const again = (asked: A) => (): Promise<readonly ChoiceEvent[]> =>
    isHere(model) ? recompute(route, model, asked, deps) : askAgain(climberOf(asked));
  const atHand = seen && giveAtHand(request, route, seen, exchange, server, again(seen.asked));
  if (atHand !== undefined) return atHand;
  // What a receipt tells of, only the node knows.
  if (!isHere(model) && wantsReceipt(request.headers))
    return await forwardText(request, text, model, exchange, server);
  const resumed = resumption(request.headers, sent, fingerprint(model));
  const { asked } = resumed;
  // 4. Has it been answered before?
  const turn = openTurnFor(request, asked, model, exchange, server, { seen, relay });
  if (seen === undefined && turn.requestKey !== undefined)
    server.memo?.keep(exchange, text, {
      asked,
      model,
      requestKey: turn.requestKey,
      ...writing(route, asked, exchange),
    });
  const give = (kept: Usable): Response =>
    giveKept(kept, { route, asked, model, exchange, server, turn, request, again: again(asked) });
  const refusal = await turn.refusal();
  if (refusal !== undefined) throw refusedAgain(refusal, exchange, server);
  const kept = await turn.byRequest();
  if (kept !== undefined) return give(kept);
  // 5. and 6. What is there to compute, and may it be? Where the model is elsewhere a node finds out.
  const job: Job<A> = { request, route, asked, exchange, server, turn, resumed };
  const work = isHere(model) ? await prepare(model, job) : await elsewhere(model, text, job);
  return "hit" in work ? give(work) : await deliver(work, job, climberOf(asked), give);
}

/** 7. and 8. of a request: its answer, on the wire. */
async function deliver<A extends Asked>(
  work: Work,
  { request, route, asked, exchange, server, turn, resumed }: Job<A>,
  climber: Climber,
  give: (kept: Usable) => Response,
): Promise<Response> {
  const { deps, limits } = server;
  const { model } = climber;
  // 7. Answer: the engine's tokens as text, until a stop, the limit, or the client's leaving; or the pool's.
  exchange.trace.ask(asked, model.id);
  const whose = urgency(request.headers, exchange.caller, deps.now() - exchange.arrived);
  const leaving = abortWith(request.signal);
  const shared = turn.shares();
  const ladder = openLadder({
    ...climber,
    ...deadlineOf(whose, deps),
    shared,
    identity: turn.requestKey,
  });
  const own = {
    id: `${route.idPrefix}${deps.randomId()}`,
    created: Math.floor(deps.wallClock() / 1000),
    model: model.id,
    fingerprint: fingerprint(model),
    promptTokens: work.promptTokens,
    ...resumed.head,
  };
  // Known before the first event, and not used before that.
  const onHead = ({ promptTokens }: Head): void => {
    own.promptTokens = promptTokens;
    exchange.counted(promptTokens);
    exchange.note({ prompt_tokens: promptTokens });
  };
  // What others may wait for does not end with this request's time: each of them leaves at its own.
  const { deadlineMs, ...unhurried } = whose;
  const start = ladder.climb(work.start?.(shared ? unhurried : whose), work.most, onHead);
  const { head, events } = turn.compute(own, start, { signal: leaving.signal, deadlineMs });
  // 8. On the wire, whole or piece by piece.
  const format = resumed.number(work.receipt.extend(route.format(head, asked)), head);
  const answering = { events, format, prompts: work.prompts, leaving, exchange };
  let response: Response;
  try {
    response = asked.stream
      ? await respondInPieces(answering, limits)
      : await respondWhole({ ...answering, keep: keepLikeliest(asked) }, work.encodeMs, limits);
  } catch (error) {
    const other = await ladder.upstream(error);
    const stale = other === undefined ? turn.insteadOf(error) : undefined;
    if (stale !== undefined) return give(stale);
    if (other === undefined) throw error;
    turn.passedBy(other.collapsed);
    response = other.response;
  }
  tellOutcome(response, turn, server);
  const servedBy = ladder.servedBy();
  if (servedBy !== undefined) response.headers.set("x-sirocco-served-by", servedBy);
  if (asked.ignored.length > 0) response.headers.set("x-sirocco-ignored", asked.ignored.join(", "));
  return response;
}

/** Let in what another server passed on. Throws `RELAY_LOOP`, `MODEL_MISMATCH`. */
function admitRelay(relay: Relay, model: FoundModel, exchange: Exchange): void {
  if (!isHere(model)) throw relayLoop();
  checkFingerprint(relay, fingerprint(model));
  const { caller } = exchange;
  if (relay.tenant !== undefined && caller.relays)
    exchange.admit({ ...caller, tenant: relay.tenant });
}

/** When a request's time is over, by the monotonic clock. */
function deadlineOf({ deadlineMs }: Urgency, deps: AppDeps): Pick<Climber, "deadlineAt"> {
  return deadlineMs === undefined ? {} : { deadlineAt: deps.now() + deadlineMs };
}

/** A request that has not been answered before. */
interface Job<A extends Asked> {
  readonly request: Request;
  readonly route: Route<A>;
  readonly asked: A;
  readonly exchange: Exchange;
  readonly server: Server;
  readonly turn: CacheTurn;
  readonly resumed: Resumption<A>;
}

/** What there is to compute. */
interface Work {
  readonly prompts: number;
  /** Tokens of all of them; 0 where only a node can count them. */
  readonly promptTokens: number;
  /** Milliseconds that it took to make them. */
  readonly encodeMs: number;
  /** Tokens that each answer may have. */
  readonly most: number;
  readonly receipt: Pick<ReceiptWriter, "extend">;
  /** Begin to compute it here; absent where the model is elsewhere. */
  start?(whose: Urgency): Start;
}

/** The work for a model that is here, or the answer to the same tokens that is kept. */
async function prepare<A extends Asked>(model: ServedModel, job: Job<A>): Promise<Work | Usable> {
  const { request, route, asked, exchange, server, turn } = job;
  const { deps } = server;
  const { prompts, rooms, encodeMs } = encode(model, job);
  const promptTokens = sum(prompts.map(({ tokens }) => tokens.length));
  exchange.note({ prompt_tokens: promptTokens });
  const same = await turn.byTokens(prompts, rooms);
  const known = same ?? (await turn.byMeaning());
  if (known !== undefined) return known;
  turn.mustCompute();
  const most = reserve(exchange, asked, promptTokens, rooms);
  // An answer that the caller's allowance cuts short is no answer for anybody else.
  if (asked.maxTokens === undefined && most < Infinity) turn.keepNothing();
  const relayed = prompts.length * asked.candidates === 1 ? route.relayed : undefined;
  const goOn = asked.logprobs === undefined ? relayed?.goOn(exchange.caller.relays) : undefined;
  // Who says what was generated before could say anything.
  if (goOn !== undefined) turn.keepNothing();
  const watched = relayed?.watch(model) ?? model;
  const receipt = receiptWriter(request.headers, watched, asked, prompts.length);
  const start =
    (whose: Urgency): Start =>
    (all) =>
      several(
        prompts.flatMap((prompt, i) =>
          Array.from({ length: asked.candidates }, (_, candidate) => (signal: AbortSignal) => {
            const meter = server.metrics.answer(model, exchange.arrived);
            const onToken = (): void => {
              meter.token();
              exchange.token();
            };
            const maxTokens = Math.min(most, rooms[i]!);
            const one = { ...prompt, ...whose, ...goOn, maxTokens, candidate, signal, onToken };
            return metered(receipt.watch(answerTo(receipt.model, asked, one, deps)), meter);
          }),
        ),
        all,
      );
  return { prompts: prompts.length, promptTokens, encodeMs, most, receipt, start };
}

/** What a request's prompts are, and what the context leaves each for its answer. */
interface Encoded {
  readonly prompts: readonly Prompt[];
  readonly rooms: readonly number[];
  readonly encodeMs: number;
}

/** All that the request and the model alone decide: a refusal is remembered, as it would be the same again. */
function encode<A extends Asked>(
  model: ServedModel,
  { route, asked, exchange, server: { deps }, turn, resumed }: Job<A>,
): Encoded {
  try {
    // 5. The tokens of each prompt, by the chat template or as they stand, and whether what may follow can be told.
    const encoding = deps.now();
    checkGenerates(model);
    planAnswer(model, asked);
    const prompts = route.prompts(model, asked, new Date(deps.wallClock()));
    const encodeMs = deps.now() - encoding;
    exchange.trace.stage("tokenize", encoding, encoding + encodeMs);
    // 6. Does it fit, into the context and into what the caller may use?
    checkBiases(model, asked);
    resumed.checkAnswers(prompts.length);
    const rooms = prompts.map(({ tokens }) => roomFor(model, asked, tokens.length));
    return { prompts, rooms, encodeMs };
  } catch (error) {
    if (turn.refused(error)) exchange.tell("cache-status", "sirocco; fwd=miss; stored");
    throw error;
  }
}

/** The work for a model of the pool: a node counts its tokens, here they are estimated by the text's length. */
async function elsewhere<A extends Asked>(
  model: PoolModel,
  text: string,
  { asked, exchange, turn, resumed }: Job<A>,
): Promise<Work | Usable> {
  const prompts = "prompts" in asked && Array.isArray(asked.prompts) ? asked.prompts.length : 1;
  resumed.checkAnswers(prompts);
  const known = await turn.byMeaning();
  if (known !== undefined) return known;
  turn.mustCompute();
  const rooms = Array.from({ length: prompts }, () => model.contextLength);
  const most = reserve(exchange, asked, tokensOf(text), rooms);
  if (asked.maxTokens === undefined && most < Infinity) turn.keepNothing();
  const receipt = { extend: (format: Format): Format => format };
  return { prompts, promptTokens: 0, encodeMs: 0, most, receipt };
}
