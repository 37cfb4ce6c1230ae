import type { ChoiceEvent } from "../answer/several.ts";
import { RuntimeError } from "../errors.ts";
import { pause } from "../pause.ts";
import type { LogRecord } from "../http/deps.ts";
import { within } from "../http/time-limit.ts";
import type { Head } from "../http/wire/format.ts";
import { attempt, type Begun } from "./attempt.ts";
import { createLatencies } from "./latencies.ts";
import { createLeases } from "./leases.ts";
import { NodeFailure } from "./node-failure.ts";
import type { PoolModel } from "./node-models.ts";
import { createNodes, LONGEST_ANSWER_MS, type KnownNode, type PoolNode } from "./nodes.ts";
import { MOST_EMITTED, RELAY_HEADER, writeRelay, type Relay } from "./relay-header.ts";
import { backoffMs, mayRetry } from "./retry.ts";
import { createTogether } from "./together.ts";
import type { Transcript } from "./transcript.ts";
import type { Transport, TransportResponse } from "./transport.ts";

/** Other servers that can answer, as one. */
export interface Pool {
  /**
   * The models of all nodes, each name once: that of a node that is in, or else as it was known last, since
   * what is kept of its answers is still good.
   */
  models(): readonly PoolModel[];
  /** Whether any node may be asked now. */
  ready(): boolean;
  /** All nodes and how they are. */
  nodes(): readonly KnownNode[];
  /** Whether a node that serves this may be asked now. */
  canAnswer(fingerprint: string): boolean;
  /**
   * The answer to a request, whatever becomes of the node that gives it: another goes on where it ended.
   * Throws `RuntimeError`: `QUEUE_FULL` where no node has room, `NOT_READY` where none is in, `UPSTREAM_ERROR`
   * where several failed, `ABORTED`, and what is the request's own fault.
   */
  answer(question: Question, signal: AbortSignal): AsyncGenerator<ChoiceEvent, void, undefined>;
  /** Pass a request on as it is to a node that serves the model. Rejects as {@linkcode Pool.answer} throws. */
  forward(request: Forwarded): Promise<TransportResponse>;
  /** Ask nodes how they are, those that have not been asked for a second. Never rejects. */
  tend(): Promise<void>;
  /**
   * Ask these nodes and no others from now on, with names of their own. What runs at those that go runs to its end.
   */
  setNodes(nodes: readonly PoolNode[]): void;
  /** Let go of connections. */
  close(): Promise<void>;
}

/** A request for the pool. */
export interface Question extends Forwarded {
  /** What the client did not say. */
  readonly relay: Omit<Relay, "hops" | "model">;
  /** Equal for requests whose answers are equal; absent where they are up to chance. */
  readonly identity?: string;
  /** What has been sent of the answer already. */
  readonly transcript: Transcript;
  /** Called with a node's name and the head of its answer, when its first event is there. */
  onBegun(node: string, head: Head): void;
}

/** A request as the client sent it. */
export interface Forwarded {
  /** `/v1/chat/completions`. */
  readonly path: string;
  /** JSON. */
  readonly body: string;
  /** Those that go along; called anew for each attempt, as the time that is left shrinks. */
  readonly headers: () => Readonly<Record<string, string>>;
  /** Of the model. */
  readonly fingerprint: string;
  /** What its prompt has in common with others; `affinityKey`. */
  readonly affinity: string;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** What a pool does that somebody may want to count. */
export type PoolEvent =
  | "retry"
  | "hedge"
  | "hedge_won"
  | "move"
  | "continue"
  // Of a pool in front of which equal requests meet (`coalesced-pool.ts`).
  | "joined"
  | "flight_lost";

/** A pool. */
export interface PoolOptions {
  /** At least one, with names of their own. */
  readonly nodes: readonly PoolNode[];
  /** How they are reached. */
  readonly transport: Transport;
  /** What opens them; the clients' own keys never go there. */
  readonly key?: string;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Hears of nodes that go out and come back. */
  readonly log: (record: LogRecord) => void;
  /** Hears what the pool does for requests. */
  readonly onEvent?: (event: PoolEvent) => void;
  /** Hears for how long an answer stood still, from the loss of its node to the next event of another. */
  readonly onGap?: (milliseconds: number) => void;
}

/** Nodes that one request is given to, one after the other: two may die in its time, four are a bug. */
const MOST_ATTEMPTS = 4;

/** No node has been asked. */
export function createPool(options: PoolOptions): Pool {
  const { transport, now, random, key } = options;
  const keyHeaders: Readonly<Record<string, string>> =
    key === undefined ? {} : { authorization: `Bearer ${key}` };
  const nodes = createNodes({ ...options, headers: keyHeaders });
  const latencies = createLatencies();
  const together = createTogether(now, LONGEST_ANSWER_MS);
  const count = (event: PoolEvent): void => options.onEvent?.(event);
  const running = createLeases(now, LONGEST_ANSWER_MS);
  const retries = createLeases(now, LONGEST_ANSWER_MS);

  /** Ask one node; it counts as busy with the request until the answer has been read or left. */
  async function ask(node: KnownNode, question: Question, signal: AbortSignal): Promise<Begun> {
    const { fingerprint } = question;
    const model = node.models.find((one) => one.fingerprint === fingerprint)?.id ?? "";
    const emitted = question.transcript.emitted?.slice(0, MOST_EMITTED);
    const told = emitted === undefined ? {} : { emitted };
    const relay = writeRelay({ hops: 1, model, ...question.relay, ...told });
    const began = now();
    const { identity } = question;
    const part = identity === undefined ? nothing : together.join(identity, node.name);
    const release = nodes.take(node.name);
    const free = (): void => {
      release();
      part();
    };
    try {
      const begun = await attempt(transport, {
        node: node.name,
        url: node.origin + question.path,
        headers: { ...question.headers(), ...keyHeaders, [RELAY_HEADER]: relay },
        body: question.body,
        fingerprint,
        signal,
      });
      latencies.add(now() - began);
      return { ...begun, events: watched(node, begun.events, free) };
    } catch (error) {
      free();
      if (error instanceof NodeFailure) nodes.failed(node.name, error.kind);
      throw error;
    }
  }

  async function* watched(
    node: KnownNode,
    events: Begun["events"],
    free: () => void,
  ): Begun["events"] {
    try {
      yield* events;
      nodes.answered(node.name);
    } catch (error) {
      if (error instanceof NodeFailure) nodes.failed(node.name, error.kind);
      throw error;
    } finally {
      free();
    }
  }

  /** The first of one node, or of two where that one is late, that begins to answer. */
  async function begin(
    question: Question,
    avoid: ReadonlySet<string>,
    signal: AbortSignal,
    mayHedge: boolean,
  ): Promise<{ readonly name: string; readonly begun: Begun }> {
    const { fingerprint, affinity, identity } = question;
    const place = identity === undefined ? undefined : together.whereIs(identity);
    // Where an equal request is being computed this one costs nothing, however busy that node is.
    const same = place === undefined || avoid.has(place) ? undefined : nodes.joinable(place);
    const node = same ?? nodes.choose(fingerprint, affinity, avoid);
    if (node === undefined) throw new NodeFailure("busy", "", noNode());
    const start = (one: KnownNode): Race => {
      const controller = new AbortController();
      const stop = (): void => controller.abort();
      signal.addEventListener("abort", stop, { once: true });
      if (signal.aborted) stop();
      const begun = ask(one, question, controller.signal);
      return { name: one.name, begun, stop };
    };
    const first = start(node);
    const lateAfter = mayHedge && same === undefined ? latencies.p95() : undefined;
    const settled = first.begun.then(yes, yes);
    if (lateAfter === undefined || (await within(settled, lateAfter)) === true)
      return { name: first.name, begun: await first.begun };
    // What many wait for is not computed twice: that costs more than one late answer.
    if (identity !== undefined && together.count(identity) > 1)
      return { name: first.name, begun: await first.begun };
    const other = nodes.choose(fingerprint, affinity, new Set([...avoid, node.name]));
    if (other === undefined || other.name === node.name || !mayRetry(running.count, retries.count))
      return { name: first.name, begun: await first.begun };
    count("hedge");
    const free = retries.take();
    try {
      const second = start(other);
      const winner = await firstOf([first, second]);
      if (winner.name === second.name) count("hedge_won");
      return winner;
    } finally {
      free();
    }
  }

  async function* answer(
    question: Question,
    signal: AbortSignal,
  ): AsyncGenerator<ChoiceEvent, void, undefined> {
    const { transcript } = question;
    let avoid: ReadonlySet<string> = new Set();
    let endRetry = nothing;
    let lostAt: number | undefined;
    const end = running.take();
    try {
      for (let number = 1; ; number++) {
        try {
          const { name, begun } = await begin(question, avoid, signal, number === 1);
          transcript.rewind(begun.behind);
          question.onBegun(name, begun.head);
          for await (const { choice, event, ids } of begun.events) {
            transcript.generated(ids);
            const item = { choice, event };
            if (!transcript.isNew(item)) continue;
            if (lostAt !== undefined) options.onGap?.(now() - lostAt);
            lostAt = undefined;
            yield item;
          }
          return;
        } catch (error) {
          endRetry();
          if (signal.aborted) throw new RuntimeError("ABORTED", "The client left");
          if (!(error instanceof NodeFailure)) throw error;
          const { kind, told, node } = error;
          if (number >= MOST_ATTEMPTS || node === "") throw told;
          avoid = new Set([node]);
          // Whoever was lost, or has another model, does nothing for the request any more: it moves, and no
          // load is added. Anything else is a retry, of which a pool in trouble must not get many.
          if (kind === "lost" || kind === "other") {
            count(transcript.size > 0 ? "continue" : "move");
            if (transcript.size > 0) lostAt ??= now();
            continue;
          }
          if (transcript.size === 0 && !mayRetry(running.count, retries.count)) throw told;
          endRetry = retries.take();
          count(transcript.size > 0 ? "continue" : "retry");
          await pause(backoffMs(number + 1, random()), signal);
        }
      }
    } finally {
      endRetry();
      end();
    }
  }

  return {
    answer,
    nodes: () => nodes.list(),
    models() {
      const found = new Map<string, PoolModel>();
      const all = nodes.list();
      const able = all.filter(({ standing }) => standing !== "out");
      for (const { models } of [...able, ...all])
        for (const model of models) if (!found.has(model.id)) found.set(model.id, model);
      return [...found.values()];
    },
    ready: () =>
      nodes.list().some(({ standing, models }) => standing !== "out" && models.length > 0),
    canAnswer: (fingerprint) => nodes.choose(fingerprint, "", new Set()) !== undefined,
    async forward({ path, body, headers, fingerprint, affinity, signal }) {
      const node = nodes.choose(fingerprint, affinity, new Set());
      if (node === undefined) throw noNode();
      const free = nodes.take(node.name);
      try {
        const all = { ...headers(), ...keyHeaders, "content-type": "application/json" };
        const request = { method: "POST", headers: all, body, signal } as const;
        const response = await transport.send(node.origin + path, request);
        nodes.answered(node.name);
        return response;
      } catch (cause) {
        nodes.failed(node.name, "lost");
        throw new RuntimeError("UPSTREAM_ERROR", "A node of the pool was lost", { cause });
      } finally {
        free();
      }
    },
    tend: () => nodes.tend(),
    setNodes: (next) => nodes.set(next),
    close: () => transport.close(),
  };
}

/** A node that has been asked. */
interface Race {
  readonly name: string;
  readonly begun: Promise<Begun>;
  readonly stop: () => void;
}

/** Whoever begins first; the others are stopped. Rejects as the first of them did, where none begins. */
async function firstOf(races: readonly Race[]): Promise<{ name: string; begun: Begun }> {
  try {
    const winner = await Promise.any(
      races.map(async ({ name, begun }) => ({ name, begun: await begun })),
    );
    for (const race of races) if (race.name !== winner.name) leave(race);
    return winner;
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error;
  }
}

function leave({ begun, stop }: Race): void {
  stop();
  begun.then(
    ({ events }) => events.return(),
    () => {},
  );
}

function nothing(): void {}

const yes = (): true => true;

function noNode(): RuntimeError {
  return new RuntimeError("NOT_READY", "No node of the pool can answer this request now");
}
