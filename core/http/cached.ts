import type { ChoiceEvent } from "../answer/several.ts";
import { REFUSAL_FRESH_MS, type Refusal } from "../cache/refusals.ts";
import type { RuntimeError } from "../errors.ts";
import type { Relay } from "../pool/relay-header.ts";
import { bypassTurn, openTurn, isKeepable, type CacheTurn, type Usable } from "./cache-turn.ts";
import type { ReadHeaders } from "./arrival.ts";
import type { AnswerCaching } from "./deps.ts";
import type { Caller } from "./edge/access.ts";
import type { Exchange } from "./exchange.ts";
import { fingerprint, readsClock, stillServed, type FoundModel } from "./found-model.ts";
import { knownReply } from "./known-answer.ts";
import type { Route, Server } from "./pipeline.ts";
import { RECEIPT_HEADER, wantsReceipt } from "./receipt.ts";
import { sameAnswer } from "./recompute.ts";
import { wantsOwnWords } from "./question.ts";
import type { Recognised } from "./request-memo.ts";
import { wantsNumbers } from "./resume.ts";
import type { Asked } from "./wire/asked.ts";

/** A request's turn at the cache: `seen` where its body was met before, `relay` where it was passed on. */
export function openTurnFor(
  request: Request,
  asked: Asked,
  model: FoundModel,
  exchange: Exchange,
  { deps }: Server,
  { seen, relay }: { readonly seen?: Recognised | undefined; readonly relay?: Relay | undefined },
): CacheTurn {
  const { caller } = exchange;
  // Whose request it is says somebody who may not say so: it could be anybody's.
  const tenant = relay?.tenant ?? caller.tenant;
  if (deps.caching !== undefined && tenant !== caller.tenant) return bypassTurn("relayed");
  // A receipt tells how this very answer came about, so that the answer has to be computed.
  if (deps.caching !== undefined && wantsReceipt(request.headers)) return bypassTurn("receipt");
  // Ids name the seed with which the events can be computed again.
  if (deps.caching !== undefined && wantsNumbers(request.headers, asked))
    return bypassTurn("numbered");
  return openTurn(deps.caching, {
    headers: request.headers,
    asked,
    from: {
      operation: exchange.path,
      modelDigest: model.digest,
      fingerprint: fingerprint(model),
      contextLength: model.contextLength,
      policy: deps.caching?.policy ?? null,
    },
    tenant: caller.tenant,
    path: exchange.path,
    // A server that passes requests on discloses what it does, and not what it was passed.
    mayMatch: relay === undefined && !wantsOwnWords(request.headers),
    holds: () => stillServed(deps, model),
    readsClock: readsClock(model),
    request,
    ...(seen === undefined ? {} : { requestKey: seen.requestKey }),
  });
}

/** What an answer that is kept is given for. */
interface Giving<A extends Asked> {
  readonly route: Route<A>;
  readonly asked: A;
  readonly model: FoundModel;
  readonly exchange: Exchange;
  readonly server: Server;
  readonly turn: Pick<CacheTurn, "requestKey">;
  readonly request: Request;
  /** Compute it again, for nobody in particular. */
  readonly again: () => Promise<readonly ChoiceEvent[]>;
}

/** Headers that set conditions to an answer from the cache, or ask for more than it holds. */
const CONDITIONS = ["cache-control", "pragma", RECEIPT_HEADER] as const;

/**
 * The answer to a body that was met before, where it is in memory, fresh, and asked for without conditions: most
 * hits are, and nothing has to be waited for. `undefined` sends a request the ordinary way.
 */
export function giveAtHand<A extends Asked>(
  request: Request,
  route: Route<A>,
  { asked, model, requestKey }: Recognised<A>,
  exchange: Exchange,
  server: Server,
  again: Giving<A>["again"],
): Response | undefined {
  const { headers } = request;
  const { caching } = server.deps;
  const kept = caching && atHand(headers, { asked, requestKey }, exchange.caller, caching);
  if (kept === undefined) return undefined;
  const giving = { route, asked, model, exchange, server, turn: { requestKey }, request, again };
  return giveKept(kept, giving);
}

/** What is in memory, fresh, and asked for without conditions. */
export function atHand(
  headers: ReadHeaders,
  { asked, requestKey }: Pick<Recognised, "asked" | "requestKey">,
  { tenant }: Caller,
  { answers }: AnswerCaching,
): Usable | undefined {
  if (CONDITIONS.some((name) => headers.has(name)) || wantsNumbers(headers, asked))
    return undefined;
  const hit = answers.atHand(answers.asker(tenant), requestKey);
  if (hit === undefined) return undefined;
  const ageMs = answers.ageOf(hit.answer);
  return ageMs < hit.answer.freshMs ? { hit, ageMs, refresh: false } : undefined;
}

/** Give an answer that is kept; behind it, compute it again where it is stale or its turn to be verified. */
export function giveKept<A extends Asked>(kept: Usable, giving: Giving<A>): Response {
  const { route, asked, exchange, server, request } = giving;
  const stale = kept.ageMs >= kept.hit.answer.freshMs;
  const { match } = kept;
  server.metrics.cache(match === undefined ? (stale ? "stale" : "hit") : "semantic");
  exchange.note({ cache: match === undefined ? kept.hit.from : "semantic" });
  const { caching } = server.deps;
  // Computing the answer to these words would neither renew nor verify the answer to others.
  if (caching !== undefined && match === undefined) {
    if (kept.refresh) caching.background(refresh(kept, giving, caching), request);
    else if (isDue(caching, server.deps.now()))
      caching.background(verifyInTurn(kept, giving, caching), request);
  }
  const { operation, format } = writing(route, asked, exchange);
  return exchange.respond(knownReply(kept, asked, operation, format));
}

/** How the answers to a request are written. */
export function writing<A extends Asked>(
  route: Route<A>,
  asked: A,
  { path }: Pick<Exchange, "path">,
): Pick<Recognised, "operation" | "format"> {
  return {
    operation: `${path} ${route.form ?? ""}`,
    format: (head) => route.format(head, asked),
  };
}

/** What a request is told that is known to be refused. */
export function refusedAgain(
  { error, ageMs }: Refusal,
  exchange: Exchange,
  { metrics }: Pick<Server, "metrics">,
): RuntimeError {
  metrics.cache("refusal");
  exchange.note({ cache: "refusal" });
  const ttl = Math.ceil((REFUSAL_FRESH_MS - ageMs) / 1000);
  exchange.tell("cache-status", `sirocco; hit; ttl=${ttl}; detail=refusal`);
  return error;
}

/** Tell what the cache had to do with an answer that was computed. */
export function tellOutcome(response: Response, turn: CacheTurn, server: Server): void {
  const { result, status } = turn.outcome();
  if (status === undefined) return;
  server.metrics.cache(result);
  response.headers.set("cache-status", status);
}

/** Keys that are being refreshed, so that one computation does for all who ask meanwhile. */
const refreshing = new WeakMap<AnswerCaching, Set<string>>();

async function refresh<A extends Asked>(
  { hit: { answer } }: Usable,
  { model, exchange, server, turn, again }: Giving<A>,
  caching: AnswerCaching,
): Promise<void> {
  const keys = refreshing.get(caching) ?? new Set();
  refreshing.set(caching, keys);
  if (keys.has(answer.key)) return;
  keys.add(answer.key);
  try {
    const begunAt = caching.wallClock();
    const events = await again();
    if (!isKeepable(events) || !stillServed(server.deps, model)) return;
    const asker = caching.answers.asker(exchange.caller.tenant);
    const { requestKey } = turn;
    const all = requestKey === undefined ? [answer.key] : [answer.key, requestKey];
    await caching.answers.keep(asker, [...new Set(all)], {
      head: answer.head,
      events,
      tags: answer.tags,
      begunAt,
    });
  } finally {
    keys.delete(answer.key);
  }
}

/** What verifying costs. */
interface Verifying {
  /** Hits since the last one that was due. */
  hits: number;
  /** None begins before this, by the monotonic clock. */
  notBefore: number;
}

const verifying = new WeakMap<AnswerCaching, Verifying>();

/**
 * After a verification the engine is left alone for so many times as long as it took: hits come by the ten
 * thousand a second, and one in a thousand of them computed again would take the engine from those who wait.
 */
const REST_FACTOR = 50;

/** Whether the next hit is to be verified, and has to be given by {@linkcode giveKept}. */
export function isNextDue(caching: AnswerCaching, now: number): boolean {
  const state = verifying.get(caching);
  const { verifyOneIn } = caching;
  const hits = state?.hits ?? 0;
  return verifyOneIn > 0 && hits + 1 >= verifyOneIn && now >= (state?.notBefore ?? -Infinity);
}

/** Counts a hit. Returns whether it is to be verified. */
export function isDue(caching: AnswerCaching, now: number): boolean {
  if (caching.verifyOneIn === 0) return false;
  const due = isNextDue(caching, now);
  const state = verifying.get(caching) ?? { hits: 0, notBefore: -Infinity };
  verifying.set(caching, state);
  state.hits++;
  if (!due) return false;
  // Not before this one has ended.
  state.notBefore = Infinity;
  state.hits = 0;
  return true;
}

async function verifyInTurn<A extends Asked>(
  kept: Usable,
  giving: Giving<A>,
  caching: AnswerCaching,
): Promise<void> {
  const { deps } = giving.server;
  const begun = deps.now();
  try {
    await verify(kept, giving, caching);
  } finally {
    const state = verifying.get(caching);
    const ended = deps.now();
    if (state !== undefined) state.notBefore = ended + REST_FACTOR * (ended - begun);
  }
}

/** Strict determinism makes a kept answer a claim that can be checked. One that fails is thrown away. */
async function verify<A extends Asked>(
  { hit: { answer } }: Usable,
  { model, server, exchange, again }: Giving<A>,
  { answers }: AnswerCaching,
): Promise<void> {
  const events = await again();
  // What another kind of engine computes meanwhile is no mismatch.
  if (!stillServed(server.deps, model)) return;
  const same = sameAnswer(answer, events);
  server.metrics.verified(same);
  if (same) return;
  server.deps.log({
    level: "error",
    event: "cache_mismatch",
    request_id: exchange.id,
    answer_id: answer.head.id,
    model: model.id,
  });
  await answers.forget(answer.key);
}
