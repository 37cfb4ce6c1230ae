import { systemFingerprint } from "../receipt/fingerprint.ts";
import { bypassTurn, openTurn, isKeepable, type CacheTurn, type Usable } from "./cache-turn.ts";
import type { AnswerCaching, ServedModel } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import { respondKnown } from "./known-answer.ts";
import type { Route, Server } from "./pipeline.ts";
import { wantsReceipt } from "./receipt.ts";
import { recompute, sameAnswer } from "./recompute.ts";
import { wantsNumbers } from "./resume.ts";
import type { Asked } from "./wire/asked.ts";
import type { Format, Head } from "./wire/format.ts";

/** A request's turn at the cache; `requestKey` where its body was met before. */
export async function openTurnFor(
  request: Request,
  asked: Asked,
  model: ServedModel,
  exchange: Exchange,
  { deps }: Server,
  requestKey: string | undefined,
): Promise<CacheTurn> {
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
      fingerprint: await fingerprint(model),
      contextLength: model.contextLength,
      policy: deps.caching?.policy ?? null,
    },
    tenant: exchange.caller.tenant,
    holds: () => deps.models().includes(model),
    readsClock: model.template?.readsClock ?? false,
    ...(requestKey === undefined ? {} : { requestKey }),
  });
}

/** What an answer that is kept is given for. */
interface Giving<A extends Asked> {
  readonly route: Route<A>;
  readonly asked: A;
  readonly model: ServedModel;
  readonly exchange: Exchange;
  readonly server: Server;
  readonly turn: CacheTurn;
}

/** Give an answer that is kept; behind it, compute it again where it is stale or its turn to be verified. */
export function giveKept<A extends Asked>(kept: Usable, giving: Giving<A>): Response {
  const { route, asked, exchange, server } = giving;
  const stale = kept.ageMs >= kept.hit.answer.freshMs;
  server.metrics.cache(stale ? "stale" : "hit");
  exchange.note({ cache: kept.hit.from });
  const { caching } = server.deps;
  if (caching !== undefined) {
    if (kept.refresh) caching.background(refresh(kept, giving, caching));
    else if (isDue(caching)) caching.background(verify(kept, giving, caching));
  }
  const { ignored } = asked;
  const format = (head: Head): Format => route.format(head, asked);
  return respondKnown(kept, asked, exchange.path, format, (body, headers) =>
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
  { route, asked, model, server, exchange, turn }: Giving<A>,
  caching: AnswerCaching,
): Promise<void> {
  const keys = refreshing.get(caching) ?? new Set();
  refreshing.set(caching, keys);
  if (keys.has(answer.key)) return;
  keys.add(answer.key);
  try {
    const begunAt = caching.wallClock();
    const events = await recompute(route, model, asked, server.deps);
    if (!isKeepable(events) || !server.deps.models().includes(model)) return;
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
  { route, asked, model, server, exchange }: Giving<A>,
  { answers }: AnswerCaching,
): Promise<void> {
  const again = await recompute(route, model, asked, server.deps);
  // What another kind of engine computes meanwhile is no mismatch.
  if (!server.deps.models().includes(model)) return;
  const same = sameAnswer(answer, again);
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

/** Models do not change while they are served: one whose engine is followed by another kind of engine is another. */
const fingerprints = new WeakMap<ServedModel, Promise<string>>();

/** `system_fingerprint` of a model's answers. */
export function fingerprint(model: ServedModel): Promise<string> {
  const known = fingerprints.get(model);
  if (known !== undefined) return known;
  const made = systemFingerprint(model.digest, model.engine.info);
  fingerprints.set(model, made);
  return made;
}
