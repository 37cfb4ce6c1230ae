import type { ChoiceEvent } from "../answer/several.ts";
import type { Asker, Hit } from "../cache/answers.ts";
import { parseDirectives, type CacheDirectives } from "../cache/directives.ts";
import { mayUse, type StaleLimits, type Use } from "../cache/freshness.ts";
import { REFUSAL_FRESH_MS, type Refusal } from "../cache/refusals.ts";
import type { SemanticLookup, SemanticMatch } from "../cache/semantic/semantic-answers.ts";
import { requestDocument, tokenDocument, whyNotCacheable, type Provenance } from "../cache/keys.ts";
import { ERRORS, RuntimeError } from "../errors.ts";
import type { AnswerCaching } from "./deps.ts";
import { errorCode } from "./failure.ts";
import { singleQuestion } from "./question.ts";
import type { CacheResult } from "./server-metrics.ts";
import type { Prompt } from "./pipeline.ts";
import type { Asked } from "./wire/asked.ts";
import type { Head } from "./wire/format.ts";

/** What a request and the cache have to do with one another, from its arrival to its answer. */
export interface CacheTurn {
  /** The key of the request as it is written, where that tells the prompt and may be answered from the cache. */
  readonly requestKey: string | undefined;
  /** The answer that is kept for the request as it is written; whoever knows its tokens can ask again. */
  byRequest(): Promise<Usable | undefined>;
  /** Why the request is refused, where that was found out before; asked for before {@linkcode byRequest}. */
  refusal(): Promise<Refusal | undefined>;
  /** The request has been refused; whether that is remembered, where nothing but it and the model decided it. */
  refused(error: unknown): boolean;
  /** The answer to its tokens. `rooms`: what the context leaves each prompt for its answer. */
  byTokens(prompts: readonly Prompt[], rooms: readonly number[]): Promise<Usable | undefined>;
  /** The answer to another question that asks the same, where the server looks for such; fresh ones only. */
  byMeaning(): Promise<Usable | undefined>;
  /** The answer will not be the one that the request alone asks for. */
  keepNothing(): void;
  /** Throws `NOT_CACHED` where the request wants an answer that is kept or none. */
  mustCompute(): void;
  /**
   * Whether others may join what {@linkcode compute} begins: it is then to be begun without this request's deadline,
   * which is none of theirs.
   */
  shares(): boolean;
  /** Compute the answer, or join whoever computes it. */
  compute(head: Head, start: Start, reader: Reader): Computed;
  /** A stale answer instead of a failure, where there is one that may serve so. */
  insteadOf(error: unknown): Usable | undefined;
  /** Somebody else's server has answered, with an answer of its own, for which another request may have asked. */
  passedBy(joined: boolean): void;
  /** What to tell of an answer that was computed. */
  outcome(): Outcome;
}

/** What the cache did for an answer that was computed. */
export interface Outcome {
  readonly result: CacheResult;
  /** `Cache-Status` (RFC 9211); none where there is no cache. */
  readonly status?: string;
}

/** Begin to compute the answer. */
export type Start = (signal: AbortSignal) => AsyncGenerator<ChoiceEvent, void, undefined>;

/** Whom an answer is computed for. */
export interface Reader {
  /** Aborted when it leaves. */
  readonly signal: AbortSignal;
  /** Milliseconds that it waits for an answer that is shared; absent: any time. */
  readonly deadlineMs?: number | undefined;
}

/** An answer under way. */
export interface Computed {
  readonly head: Head;
  readonly events: AsyncGenerator<ChoiceEvent, void, undefined>;
}

/** An answer that is kept and may be given. */
export interface Usable {
  readonly hit: Hit;
  readonly ageMs: number;
  /** Whether it has to be computed again meanwhile. */
  readonly refresh: boolean;
  /** Where it is the answer to another question that asks the same. */
  readonly match?: SemanticMatch;
}

/** Who asks what of which model. */
export interface Turn {
  readonly headers: Headers;
  readonly asked: Asked;
  readonly from: Provenance;
  readonly tenant: string;
  /** Of its address. */
  readonly path: string;
  /** Whether it may be given the answer to other words. */
  readonly mayMatch: boolean;
  /** Whether the prompt depends on the time, so that the request alone does not tell it. */
  readonly readsClock: boolean;
  /** Whether the model still answers as `from` says. */
  readonly holds: () => boolean;
  /** On whose behalf work that nobody waits for is done. */
  readonly request: Request;
  /** The key that this very request had before, where it is known. */
  readonly requestKey?: string;
}

/** Attempts at an answer that several wait for: whoever follows a leader that failed gets one more. */
const MAX_ATTEMPTS = 2;

/** A refusal whose time is over is found out again. */
const NEVER_STALE: StaleLimits = { whileRevalidateMs: 0, ifErrorMs: 0 };

/** A request's turn at the cache; without a cache it does nothing. */
export function openTurn(policy: AnswerCaching | undefined, turn: Turn): CacheTurn {
  if (policy === undefined) return bypass(undefined);
  const why = whyNotCacheable(turn.asked);
  if (why !== undefined) return bypassTurn(why);
  const directives = parseDirectives(turn.headers);
  if (directives.noStore) return bypass("fwd=request; detail=no-store");
  return cachedTurn(policy, turn, directives);
}

/** `undefined` where the request does not tell the prompt. */
function keyOf(asker: Asker, turn: Turn): string | undefined {
  if (turn.readsClock) return undefined;
  return turn.requestKey ?? asker.scope.requestKey(requestDocument(turn.asked, turn.from));
}

/** A turn without the cache, and why. */
export function bypassTurn(why: string): CacheTurn {
  return bypass(`fwd=bypass; detail=${why}`);
}

function bypass(status: string | undefined): CacheTurn {
  return {
    requestKey: undefined,
    byRequest: async () => undefined,
    refusal: async () => undefined,
    refused: () => false,
    byTokens: async () => undefined,
    byMeaning: async () => undefined,
    keepNothing: () => {},
    mustCompute: () => {},
    shares: () => false,
    compute: (head, start, { signal }) => ({ head, events: start(signal) }),
    insteadOf: () => undefined,
    passedBy: () => {},
    outcome: () => ({
      result: "bypass",
      ...(status === undefined ? {} : { status: `sirocco; ${status}` }),
    }),
  };
}

function cachedTurn(policy: AnswerCaching, turn: Turn, directives: CacheDirectives): CacheTurn {
  const { answers: cache } = policy;
  const { asked, from } = turn;
  const asker: Asker = cache.asker(turn.tenant);
  const requestKey = keyOf(asker, turn);
  const tags = [`model:${from.modelDigest}`, `tenant:${turn.tenant}`];
  const openedAt = policy.wallClock();
  let tokenKey: string | undefined;
  let spare: Usable | undefined;
  let collapsed = false;
  let own = false;
  let lookup: SemanticLookup | undefined;
  let reason = directives.noCache ? "request" : "miss";

  async function look(key: string): Promise<Usable | undefined> {
    const hit = await cache.find(asker, key);
    if (hit === undefined) return undefined;
    const ageMs = cache.ageOf(hit.answer);
    const use: Use = mayUse(ageMs, hit.answer.freshMs, directives, policy.stale);
    if (use === "fresh" || use === "stale-while-revalidate")
      return { hit, ageMs, refresh: use !== "fresh" };
    if (use === "only-on-error") spare = { hit, ageMs, refresh: false };
    if (!directives.noCache) reason = "stale";
    return undefined;
  }

  /** What is known of questions like this one; `undefined` where none is looked for. */
  async function lookUp(): Promise<SemanticLookup | undefined> {
    const { semantic } = policy;
    // Where the request alone does not tell the prompt, two that are alike may have different ones.
    if (semantic?.state !== "on" || !semantic.paths.has(turn.path)) return undefined;
    if (!turn.mayMatch || turn.readsClock || directives.noCache) return undefined;
    const question = singleQuestion(asked, from);
    if (question === undefined) return undefined;
    const partition = asker.scope.requestKey(question.rest);
    return await semantic.ask({ text: question.text, partition, tenant: turn.tenant });
  }

  /** Where those meet who compute the same. */
  function flightKey(): string | undefined {
    return own ? undefined : (tokenKey ?? requestKey);
  }

  return {
    requestKey,
    byRequest: async () => (requestKey === undefined ? undefined : await look(requestKey)),
    async refusal() {
      const found = requestKey === undefined ? undefined : await cache.refusals.find(requestKey);
      if (found === undefined) return undefined;
      const use = mayUse(found.ageMs, REFUSAL_FRESH_MS, directives, NEVER_STALE);
      return use === "fresh" ? found : undefined;
    },
    refused: (error) =>
      requestKey !== undefined && turn.holds() && cache.refusals.keep(requestKey, error, tags),
    async byTokens([prompt], [room = 0]) {
      if (prompt === undefined) return undefined;
      const maxTokens = Math.min(asked.maxTokens ?? room, room);
      tokenKey = asker.scope.tokenKey(tokenDocument(asked, from, prompt, maxTokens));
      const found = await look(tokenKey);
      if (found !== undefined && requestKey !== undefined)
        policy.background(cache.point(asker, requestKey, found.hit.answer.key), turn.request);
      return found;
    },
    async byMeaning() {
      lookup = await lookUp();
      const match = lookup?.found;
      if (match === undefined) return undefined;
      const hit = await cache.find(asker, match.key);
      if (hit === undefined) {
        lookup?.gone();
        return undefined;
      }
      const ageMs = cache.ageOf(hit.answer);
      const use = mayUse(ageMs, hit.answer.freshMs, directives, policy.stale);
      return use === "fresh" ? { hit, ageMs, refresh: false, match } : undefined;
    },
    keepNothing() {
      own = true;
    },
    mustCompute() {
      if (!directives.onlyIfCached) return;
      throw new RuntimeError(
        "NOT_CACHED",
        "There is no answer to this request in the cache, and it asks for one from there only",
      );
    },
    shares: () => flightKey() !== undefined,
    compute(head, start, { signal, deadlineMs }) {
      const key = flightKey();
      if (key === undefined) return { head, events: start(signal) };
      // Somebody else's computation may have ended while the stores were being asked.
      const late = directives.noCache ? undefined : cache.keptSince(asker, key, openedAt);
      if (late !== undefined) {
        collapsed = true;
        return { head: late.answer.head, events: replay(late.answer.events) };
      }
      const begunAt = policy.wallClock();
      const keys = requestKey === undefined || requestKey === key ? [key] : [key, requestKey];
      const joined = cache.join(key, head, {
        start,
        retry: (error, attempt) => attempt < MAX_ATTEMPTS && ERRORS[errorCode(error)].status >= 500,
        settled(events) {
          if (events === undefined || !isKeepable(events) || !turn.holds()) return;
          const answer = { head, events, tags, begunAt };
          policy.background(cache.keep(asker, keys, answer), turn.request);
          if (endsByItself(events, asked)) lookup?.remember(key, head.id);
        },
      });
      ({ collapsed } = joined);
      return { head: joined.head, events: joined.shared.read(signal, deadlineMs) };
    },
    insteadOf: (error) => (ERRORS[errorCode(error)].status >= 429 ? spare : undefined),
    passedBy(joined) {
      collapsed = joined;
    },
    outcome: () => ({
      result: collapsed ? "collapsed" : "miss",
      status: `sirocco; fwd=${reason}${collapsed ? "; collapsed" : ""}`,
    }),
  };
}

async function* replay(
  events: readonly ChoiceEvent[],
): AsyncGenerator<ChoiceEvent, void, undefined> {
  yield* events;
}

/** Whether an answer was cut off by nothing but the request's own limit: a prompt of another length leaves another room. */
function endsByItself(events: readonly ChoiceEvent[], { maxTokens }: Asked): boolean {
  const last = events.at(-1)?.event;
  return maxTokens !== undefined || (last?.type === "done" && last.reason === "stop");
}

/** Whether an answer came to an end of its own, and calls nothing: a call may act, and the world changes. */
export function isKeepable(events: readonly ChoiceEvent[]): boolean {
  const last = events.at(-1)?.event;
  if (last?.type !== "done" || (last.reason !== "stop" && last.reason !== "length")) return false;
  return events.every(({ event }) => event.type !== "tool_call");
}
