import { RuntimeError } from "../errors.ts";
import { RELAY_HEADER } from "../pool/relay-header.ts";
import type { Arrival } from "./arrival.ts";
import { decodeBody } from "./body.ts";
import { atHand, isDue, isNextDue } from "./cached.ts";
import type { AnswerCaching, AppDeps } from "./deps.ts";
import { ANYONE, type Caller } from "./edge/access.ts";
import { checkHost } from "./edge/host.ts";
import { beginExchange, type Exchange, type Reply } from "./exchange.ts";
import { knownReply } from "./known-answer.ts";
import type { Server } from "./pipeline.ts";
import type { RequestMemo } from "./request-memo.ts";
import { checkRevealed } from "./revealed.ts";
import { isServing } from "./serving.ts";

/** Longer bodies are not read ahead: they take their time to come, and are seldom met again. */
export const MOST_LANE_BYTES: number = 64 * 1024;

/**
 * Answers from memory a body that was met before, without the objects of the fetch standard, which cost some
 * runtimes more than the answer itself. Nothing is awaited, and nothing is refused here: whatever differs from
 * the ordinary is `undefined`, leaves no trace, and has to go the ordinary way, `App.fetch`.
 */
export interface HitLane {
  /** Look at a request's head. `undefined`: its body need not be shown. */
  open(arrival: Arrival): OpenedLane | undefined;
}

/** A request that may be answered once its body is there. */
export interface OpenedLane {
  /** The answer, of status 200. @param body All of it, at most `HttpLimits.bodyBytes`. */
  answer(body: Uint8Array): Reply | undefined;
}

/** A lane as the application has it, which goes on with what the lane does not answer. */
export interface OwnLane extends HitLane {
  open(arrival: Arrival): OpenedOwnLane | undefined;
}

/** What was opened, and the watch over it. */
export interface OpenedOwnLane extends OpenedLane {
  readonly exchange: Exchange;
}

/** What a lane answers from. */
interface Kept {
  readonly server: Server;
  readonly caching: AnswerCaching;
  readonly memo: RequestMemo;
}

/**
 * A lane over what a server keeps; none where it keeps nothing, or where other origins have to be told more.
 *
 * @param paths Of answers.
 */
export function createHitLane(server: Server, paths: ReadonlySet<string>): OwnLane | undefined {
  const { deps, memo, metrics } = server;
  const { caching, corsOrigins = [] } = deps;
  if (caching === undefined || memo === undefined || corsOrigins.length > 0) return undefined;
  const kept: Kept = { server, caching, memo };
  return {
    open(arrival) {
      if (arrival.method !== "POST" || !isOrdinary(arrival) || !isServing(deps)) return undefined;
      const exchange = beginExchange(arrival, deps, metrics);
      if (!paths.has(exchange.path)) return undefined;
      const caller = callerOf(arrival, deps);
      if (caller === undefined) return undefined;
      exchange.admit(caller);
      return { exchange, answer: (body) => answer(body, arrival, exchange, kept) };
    },
  };
}

function isOrdinary({ headers }: Arrival): boolean {
  return (
    headers.get("content-type") === "application/json" &&
    !headers.has("content-encoding") &&
    !headers.has(RELAY_HEADER)
  );
}

/** Who sends it, where they may. */
function callerOf(arrival: Arrival, deps: AppDeps): Caller | undefined {
  const { hosts, access } = deps;
  try {
    if (hosts !== undefined) checkHost(arrival, hosts);
    return access === undefined ? ANYONE : access.admit(arrival.headers, "inference");
  } catch (error) {
    return ordinary(error, deps);
  }
}

function answer(
  body: Uint8Array,
  { headers }: Arrival,
  exchange: Exchange,
  { server: { deps, metrics }, caching, memo }: Kept,
): Reply | undefined {
  const { caller } = exchange;
  try {
    const seen = memo.recall(exchange, decodeBody(body));
    const usable = seen && atHand(headers, seen, caller, caching);
    const now = deps.now();
    // One that is verified is given by who can compute it again.
    if (usable === undefined || isNextDue(caching, now)) return undefined;
    const { asked, model, operation, format } = seen!;
    caller.checkModel(model.id);
    checkRevealed(asked, { headers }, undefined, caller);
    const reply = knownReply(usable, asked, operation, format);
    if (caller !== ANYONE) caller.allowance.request();
    isDue(caching, now);
    metrics.cache("hit");
    exchange.note({ model: model.id, stream: asked.stream, cache: usable.hit.from });
    const complete = exchange.complete(reply);
    exchange.end(200);
    return complete;
  } catch (error) {
    return ordinary(error, deps);
  }
}

/** What is refused is refused again on the ordinary way, which says so to client and log; a defect is told here. */
function ordinary(error: unknown, { log }: Pick<AppDeps, "log">): undefined {
  if (RuntimeError.is(error)) return;
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log({ level: "error", event: "lane_failed", error: what });
}
