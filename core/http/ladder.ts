import type { ChoiceEvent } from "../answer/several.ts";
import { ERRORS, type ErrorCode } from "../errors.ts";
import { affinityKey } from "../pool/affinity.ts";
import { chooseRung, DEFAULT_OVERFLOW } from "../pool/overflow.ts";
import type { Pool, Question } from "../pool/pool.ts";
import type { Relay } from "../pool/relay-header.ts";
import { createTranscript } from "../pool/transcript.ts";
import { UPSTREAM_PATHS } from "../pool/upstream.ts";
import type { Start } from "./cache-turn.ts";
import type { Exchange } from "./exchange.ts";
import { errorCode } from "./failure.ts";
import { fingerprint, isHere, type FoundModel } from "./found-model.ts";
import { passedHeaders } from "./passed-headers.ts";
import { passEvents, passWhole } from "./pass-through.ts";
import type { Server } from "./pipeline.ts";
import { wantsReceipt } from "./receipt.ts";
import { joinUpstream } from "./upstream-flights.ts";
import type { Asked } from "./wire/asked.ts";
import type { Head } from "./wire/format.ts";

/**
 * Where an answer comes from, one rung after the other: the engine of this process, the pool, somebody else's
 * server. What is below them, a stale answer and 429, is the pipeline's.
 */
export interface Ladder {
  /**
   * The answer from the engine here or from the pool, whichever is to be first; from the other one where that
   * has no room or fails, even in the middle.
   *
   * @param local Absent where the model is not here.
   * @param most Tokens that the caller may have.
   */
  climb(local: Start | undefined, most: number, onHead: (head: Head) => void): Start;
  /** The answer of the upstream instead of an error; `undefined` where there is none. Rejects with `ABORTED`. */
  upstream(error: unknown): Promise<FromUpstream | undefined>;
  /** For `x-sirocco-served-by`: who answered, and why; absent where there is one who could. */
  servedBy(): string | undefined;
}

/** Somebody else's answer. */
export interface FromUpstream {
  readonly response: Response;
  /** Whether another request had asked for it. */
  readonly collapsed: boolean;
}

/** A request at the foot of the ladder. */
export interface Climber {
  readonly request: Request;
  /** Its body. */
  readonly text: string;
  readonly asked: Asked;
  readonly model: FoundModel;
  readonly exchange: Exchange;
  readonly server: Server;
  /** When it is over by the monotonic clock; absent: never. */
  readonly deadlineAt?: number;
  /** Whether others may wait for the same answer, which then is not to end with this request's time. */
  readonly shared?: boolean;
  /** Equal for requests whose answers are equal; absent where that is not known. */
  readonly identity?: string | undefined;
  /** Where it has been passed on already, and is not to be again. */
  readonly relay: Relay | undefined;
}

/** Errors that another server would have as well, or that no server can mend. */
const FINAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "ABORTED",
  "DEADLINE_EXCEEDED",
  "INTERNAL",
  "NOT_CACHED",
  "RELAY_LOOP",
]);

/** Whether another server may do better than one that failed so. */
function mayMove(error: unknown): boolean {
  const code = errorCode(error);
  return code === "QUEUE_FULL" || (ERRORS[code].status >= 500 && !FINAL.has(code));
}

/** The pool's answer to a request that was answered before, for nobody in particular. */
export async function askAgain(climber: Climber): Promise<readonly ChoiceEvent[]> {
  const events: ChoiceEvent[] = [];
  const start = openLadder(climber).climb(undefined, Infinity, () => {});
  for await (const event of start(new AbortController().signal)) events.push(event);
  return events;
}

/** The ladder of a request. */
export function openLadder(climber: Climber): Ladder {
  const { request, text, asked, model, exchange, server, deadlineAt, identity, relay } = climber;
  const { deps, metrics } = server;
  const endsAt = climber.shared === true ? undefined : deadlineAt;
  // A receipt is of an answer that was computed here.
  const pool = relay === undefined && !wantsReceipt(request.headers) ? deps.pool : undefined;
  const upstream = relay === undefined ? deps.upstream : undefined;
  const alone = pool === undefined && upstream === undefined;
  // Whoever computes it for another request says so there.
  let served = "shared";

  function serve(rung: "local" | "pool" | "upstream", why: string, node?: string): void {
    served = `${rung}${node === undefined ? "" : `;node=${JSON.stringify(node)}`};why=${why}`;
    exchange.note({ served_by: node ?? rung, why });
    metrics.served(rung, why);
  }

  function question(most: number, why: string, onHead: (head: Head) => void): Question {
    const { caller } = exchange;
    return {
      path: exchange.path,
      body: text,
      headers: () => passedHeaders(request, exchange, deps, endsAt),
      fingerprint: fingerprint(model),
      affinity: affinityKey(asked, caller.tenant),
      signal: request.signal,
      transcript: createTranscript(),
      ...(identity === undefined ? {} : { identity }),
      relay: {
        fingerprint: fingerprint(model),
        seed: asked.sampling.seed,
        ...(most < Infinity ? { most } : {}),
        tenant: caller.tenant,
      },
      onBegun(node, head) {
        serve("pool", why, node);
        onHead(head);
      },
    };
  }

  /** Events of the pool, counted as the engine's are. */
  async function* fromPool(
    nodes: Pool,
    asking: Question,
    signal: AbortSignal,
  ): AsyncGenerator<ChoiceEvent, void, undefined> {
    const meter = metrics.answer(model, exchange.arrived);
    const began = deps.now();
    let first = true;
    let ended = false;
    try {
      for await (const item of nodes.answer(asking, signal)) {
        if (first) meter.token();
        first = false;
        if (item.event.type === "done") {
          exchange.token(item.event.usage.completionTokens);
          meter.done(item.event);
          ended = true;
        }
        yield item;
      }
    } finally {
      if (!ended) meter.aborted();
      exchange.trace.stage("pool", began, deps.now());
    }
  }

  function firstRung(local: Start | undefined): { readonly first: "local" | "pool"; why: string } {
    if (local === undefined || !isHere(model)) return { first: "pool", why: "no-model" };
    if (pool?.canAnswer(fingerprint(model)) !== true) return { first: "local", why: "room" };
    const { running, waiting } = model.engine.stats();
    const load = { running, waiting, meanAnswerMs: metrics.meanAnswerMs() };
    const left = deadlineAt === undefined ? undefined : deadlineAt - deps.now();
    return chooseRung(load, { ...DEFAULT_OVERFLOW, ...deps.overflow }, left);
  }

  async function* climbing(
    local: Start | undefined,
    most: number,
    onHead: (head: Head) => void,
    signal: AbortSignal,
  ): AsyncGenerator<ChoiceEvent, void, undefined> {
    const { first, why } = firstRung(local);
    const asking = question(most, why, onHead);
    const { transcript } = asking;
    // Until the first event tells who it is.
    if (first === "pool") served = `pool;why=${why}`;
    const rungs = first === "local" ? (["local", "pool"] as const) : (["pool", "local"] as const);
    let failure: { readonly error: unknown } | undefined;
    for (const rung of rungs) {
      const because = failure === undefined ? why : errorCode(failure.error).toLowerCase();
      try {
        transcript.rewind();
        if (rung === "pool" && pool !== undefined) {
          const onBegun = (node: string, head: Head): void => {
            serve("pool", because.replaceAll("_", "-"), node);
            onHead(head);
          };
          yield* fromPool(pool, { ...asking, onBegun }, signal);
          return;
        }
        if (rung === "local" && local !== undefined) {
          if (!alone) serve("local", because.replaceAll("_", "-"));
          for await (const event of local(signal)) if (transcript.isNew(event)) yield event;
          return;
        }
      } catch (error) {
        if (signal.aborted || !mayMove(error)) throw error;
        // That there is no room says more to a client than that nobody else is there.
        if (failure === undefined || errorCode(error) === "QUEUE_FULL") failure = { error };
      }
    }
    throw failure?.error;
  }

  return {
    climb(local, most, onHead) {
      if (pool === undefined && local !== undefined) {
        if (alone) return local;
        return (signal) => {
          serve("local", "room");
          return local(signal);
        };
      }
      return (signal) => climbing(local, most, onHead, signal);
    },
    async upstream(error) {
      if (upstream === undefined || !mayMove(error) || !UPSTREAM_PATHS.has(exchange.path))
        return undefined;
      const { stream } = asked;
      const { signal } = request;
      try {
        const headers = passedHeaders(request, exchange, deps, endsAt);
        const asking = { path: exchange.path, body: text, headers, stream, signal };
        const leftMs = deadlineAt === undefined ? undefined : deadlineAt - deps.now();
        const { response, collapsed } =
          climber.shared === true
            ? await joinUpstream(upstream, exchange.caller.tenant, asking, leftMs)
            : { response: await upstream.ask(asking), collapsed: false };
        serve("upstream", errorCode(error).toLowerCase().replaceAll("_", "-"));
        const passed = stream
          ? passEvents(response, exchange, server.limits)
          : await passWhole(response);
        return { response: passed, collapsed };
      } catch (failed) {
        if (signal.aborted) throw failed;
        exchange.note({ upstream: errorCode(failed) });
        return undefined;
      }
    },
    servedBy: () => (alone ? undefined : served),
  };
}
