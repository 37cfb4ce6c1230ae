import type { ChoiceEvent } from "../answer/several.ts";
import type { Relay } from "../pool/relay-header.ts";
import { bypassTurn, openTurn, isKeepable, type CacheTurn, type Usable } from "./cache-turn.ts";
import type { AnswerCaching } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import { fingerprint, readsClock, type FoundModel } from "./found-model.ts";
import { respondKnown } from "./known-answer.ts";
import type { Route, Server } from "./pipeline.ts";
import { wantsReceipt } from "./receipt.ts";
import { sameAnswer } from "./recompute.ts";
import type { Recognised } from "./request-memo.ts";
import { wantsNumbers } from "./resume.ts";
import type { Asked } from "./wire/asked.ts";
import type { Format, Head } from "./wire/format.ts";

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
  readonly turn: CacheTurn;
  readonly request: Request;
  /** Compute it again, for nobody in particular. */
  readonly again: () => Promise<readonly ChoiceEvent[]>;
}

/** Give an answer that is kept; behind it, compute it again where it is stale or its turn to be verified. */
export function giveKept<A extends Asked>(kept: Usable, giving: Giving<A>): Response {
  const { route, asked, exchange, server, request } = giving;
  const stale = kept.ageMs >= kept.hit.answer.freshMs;
  server.metrics.cache(stale ? "stale" : "hit");
  exchange.note({ cache: kept.hit.from });
  const { caching } = server.deps;
  if (caching !== undefined) {
    if (kept.refresh) caching.background(refresh(kept, giving, caching), request);
    else if (isDue(caching)) caching.background(verify(kept, giving, caching), request);
  }
  const { ignored } = asked;
  const format = (head: Head): Format => route.format(head, asked);
  const operation = `${exchange.path} ${route.form ?? ""}`;
  return respondKnown(kept, asked, operation, format, (body, headers) =>
    exchange.respond(
      body,
      ignored.length === 0 ? headers : { ...headers, "x-sirocco-ignored": ignored.join(", ") },
    ),
  );
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
  { exchange, turn, again }: Giving<A>,
  caching: AnswerCaching,
): Promise<void> {
  const keys = refreshing.get(caching) ?? new Set();
  refreshing.set(caching, keys);
  if (keys.has(answer.key)) return;
  keys.add(answer.key);
  try {
    const begunAt = caching.wallClock();
    const events = await again();
    if (!isKeepable(events)) return;
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

/** Hits so far, to take one in so many. */
const hits = new WeakMap<AnswerCaching, number>();

function isDue(caching: AnswerCaching): boolean {
  if (caching.verifyOneIn === 0) return false;
  const count = (hits.get(caching) ?? 0) + 1;
  hits.set(caching, count);
  return count % caching.verifyOneIn === 0;
}

/** Strict determinism makes a kept answer a claim that can be checked. One that fails is thrown away. */
async function verify<A extends Asked>(
  { hit: { answer } }: Usable,
  { model, server, exchange, again }: Giving<A>,
  { answers }: AnswerCaching,
): Promise<void> {
  const same = sameAnswer(answer, await again());
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
