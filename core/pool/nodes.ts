import type { LogRecord } from "../http/deps.ts";
import { chooseNode, type Candidate } from "./affinity.ts";
import * as health from "./health.ts";
import { createLeases, type Leases } from "./leases.ts";
import type { FailureKind } from "./node-failure.ts";
import type { PoolModel } from "./node-models.ts";
import { probeModels, probeReady } from "./probe.ts";
import type { Transport } from "./transport.ts";

/** A server of the pool. */
export interface PoolNode {
  /** For logs, metrics and `x-sirocco-served-by`; never its address. */
  readonly name: string;
  /** `http://host:port`. */
  readonly origin: string;
}

/** A node and what is known of it. */
export interface KnownNode extends Candidate, PoolNode {
  /** What it serves, as it was known last. */
  readonly models: readonly PoolModel[];
}

/** The nodes of a pool, and how they are. */
export interface Nodes {
  /** All of them. */
  list(): readonly KnownNode[];
  /** The node for a request of this model, other than those to `avoid`; `undefined` where there is none. */
  choose(fingerprint: string, key: string, avoid: ReadonlySet<string>): KnownNode | undefined;
  /** The node with this name, where there is one, it is in and computes equal requests once. */
  joinable(name: string): KnownNode | undefined;
  /** A request goes there; call the result when it has come to its end. */
  take(name: string): () => void;
  answered(name: string): void;
  failed(name: string, kind: FailureKind): void;
  /** Ask those that have not been asked for a while how they are. Never rejects. */
  tend(): Promise<void>;
  /**
   * These and no others from now on. Those that stay keep what is known of them; what runs at those that go runs to
   * its end, and they are listed until then.
   */
  set(nodes: readonly PoolNode[]): void;
}

/** What nodes are asked by. */
export interface NodesOptions {
  readonly nodes: readonly PoolNode[];
  readonly transport: Transport;
  /** Headers that present the pool's key. */
  readonly headers: Readonly<Record<string, string>>;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
  readonly log: (record: LogRecord) => void;
}

/** A node that has come back, or is about to leave, is known within this time. */
const PROBE_MS = 1000;

/** Models change when a node starts anew, which a failed probe shows; this is for what it does not. */
const MODELS_MS = 10_000;

/** A probe is over by then, whatever became of whoever began it. */
const PROBE_OVER_MS = 5000;

/** No answer takes longer. */
export const LONGEST_ANSWER_MS = 600_000;

interface Entry {
  readonly node: PoolNode;
  state: health.NodeHealth;
  readonly leases: Leases;
  models: readonly PoolModel[];
  modelsAt: number;
  probedAt: number;
  probing: boolean;
  keeps: boolean;
  told: health.Standing;
}

function entryFor(node: PoolNode, now: () => number): Entry {
  return {
    node,
    state: health.HEALTHY,
    leases: createLeases(now, LONGEST_ANSWER_MS),
    models: [],
    modelsAt: -Infinity,
    probedAt: -Infinity,
    probing: false,
    keeps: false,
    told: "in",
  };
}

/** Nothing is known of the nodes yet but that they are there. */
export function createNodes(options: NodesOptions): Nodes {
  const { transport, now } = options;
  let entries: readonly Entry[] = options.nodes.map((node) => entryFor(node, now));
  let leaving: readonly Entry[] = [];

  function become(entry: Entry, state: health.NodeHealth): void {
    entry.state = state;
    const is = health.standing(state, now());
    // One on trial has not come back yet.
    if (is === entry.told || is === "trial") return;
    entry.told = is;
    const { name } = entry.node;
    // Only changes: a node that is away must not fill the log.
    if (is === "in") options.log({ level: "info", event: "pool_node_back", node: name });
    else
      options.log({
        level: "error",
        event: "pool_node_out",
        node: name,
        why: state.out?.why ?? "not_ready",
        for_ms: Math.round(state.out?.pauseMs ?? 0),
      });
  }

  /** `undefined` where it has left. */
  function entryOf(name: string): Entry | undefined {
    return entries.find(({ node }) => node.name === name);
  }

  function isLast(entry: Entry): boolean {
    return entries.every((one) => one === entry || health.standing(one.state, now()) === "out");
  }

  function toKnown({ node, leases, models, state }: Entry): KnownNode {
    return { ...node, inFlight: leases.count, models, standing: health.standing(state, now()) };
  }

  async function probe(entry: Entry): Promise<void> {
    entry.probing = true;
    entry.probedAt = now();
    const { origin } = entry.node;
    try {
      const { ready, keeps } = await probeReady(transport, origin);
      entry.keeps = keeps;
      const stale = entry.models.length === 0 || now() - entry.modelsAt >= MODELS_MS;
      if (ready && stale) {
        const models = await probeModels(transport, origin, options.headers);
        // The same objects while they say the same: others remember what they found of them.
        if (JSON.stringify(models) !== JSON.stringify(entry.models)) entry.models = models;
        entry.modelsAt = now();
      }
      become(entry, health.afterProbe(entry.state, ready));
    } catch {
      // Whoever is there again may be another: with another model.
      entry.modelsAt = -Infinity;
      become(entry, health.afterLoss(entry.state, now()));
    } finally {
      entry.probing = false;
    }
  }

  return {
    list() {
      leaving = leaving.filter(({ leases }) => leases.count > 0);
      const out = leaving.map((entry) => ({ ...toKnown(entry), standing: "out" as const }));
      return [...entries.map(toKnown), ...out];
    },
    choose(fingerprint, key, avoid) {
      const able = entries
        .filter(({ models }) => models.some((model) => model.fingerprint === fingerprint))
        .map(toKnown);
      // One that has just failed is better than none.
      return (
        chooseNode(
          able.filter(({ name }) => !avoid.has(name)),
          key,
        ) ?? chooseNode(able, key)
      );
    },
    joinable(name) {
      const entry = entryOf(name);
      return entry?.keeps === true && health.standing(entry.state, now()) === "in"
        ? toKnown(entry)
        : undefined;
    },
    take: (name) => entryOf(name)?.leases.take() ?? (() => {}),
    answered(name) {
      const entry = entryOf(name);
      if (entry === undefined) return;
      if (entry.state.losses + entry.state.errors > 0 || entry.state.out !== undefined)
        become(entry, health.afterAnswer(entry.state, now()));
    },
    failed(name, kind) {
      const entry = entryOf(name);
      if (entry === undefined) return;
      if (kind === "lost") become(entry, health.afterLoss(entry.state, now()));
      if (kind === "error") become(entry, health.afterError(entry.state, now(), isLast(entry)));
      // Ask it at the next occasion what it serves now, or whether it is about to leave.
      if (kind === "other") entry.modelsAt = -Infinity;
      entry.probedAt = -Infinity;
    },
    async tend() {
      const due = entries.filter(({ probedAt, probing }) => {
        const since = now() - probedAt;
        return since >= PROBE_MS && (!probing || since >= PROBE_OVER_MS);
      });
      await Promise.all(due.map(probe));
    },
    set(nodes) {
      const next = nodes.map(
        (node) =>
          entries.find(
            (entry) => entry.node.name === node.name && entry.node.origin === node.origin,
          ) ?? entryFor(node, now),
      );
      const gone = entries.filter((entry) => !next.includes(entry));
      for (const { node, leases } of gone)
        options.log({
          level: "info",
          event: "pool_node_removed",
          node: node.name,
          running: leases.count,
        });
      for (const entry of next) {
        if (entries.includes(entry)) continue;
        options.log({ level: "info", event: "pool_node_added", node: entry.node.name });
      }
      leaving = [...leaving, ...gone];
      entries = next;
    },
  };
}
