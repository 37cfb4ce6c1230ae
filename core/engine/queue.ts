import { RuntimeError } from "../errors.ts";
import type { Sequence } from "./sequence.ts";

/** Sequences that wait to be computed, of many tenants. Pure: it reads no clock. */
export interface FairQueue {
  /** Sequences that wait, those that gave way included. */
  readonly waiting: number;
  /**
   * Queue a sequence behind its tenant's others of its priority. Throws `QUEUE_FULL` where the queue, or the
   * tenant's part of it, has no room.
   */
  add(sequence: Sequence): void;
  /** Who is next, now. */
  head(): Sequence | undefined;
  /** The head leaves the queue and runs. */
  take(): Sequence;
  /** A sequence that ran waits again, before all others of its tenant. It was let in once and always finds room. */
  putBack(sequence: Sequence): void;
  /** A sequence that waits or runs is no more. */
  remove(sequence: Sequence): void;
  /** `rows` rows of a sequence have been computed. */
  charge(sequence: Sequence, rows: number): void;
  /** Sequences of a tenant that run. */
  running(tenant: string): number;
  /** What a tenant has been given so far: who has less goes first. */
  served(tenant: string): number;
  /** Whether several tenants take part, or did within the last {@linkcode RECENT_ROWS} rows. */
  readonly shared: boolean;
}

/** How much may wait. */
export interface QueueLimits {
  /** Sequences that wait or run. */
  readonly requests: number;
  /** Tokens of those that have not run yet; a single one may have more. */
  readonly tokens: number;
}

/** The tenant of requests that name none. It alone may fill the queue, as then nobody is told apart. */
export const ANYONE = "";

/** Each step of priority doubles a tenant's share; more than 2⁴ on either side would be as good as never or always. */
export const MAX_PRIORITY = 4;

/** Tenants that neither wait nor run are remembered, so that leaving for a moment clears no account; not for ever. */
const MAX_REMEMBERED = 1024;

/** Who has asked within the last minute or so will soon ask again: a small machine computes 2000 rows a second. */
const RECENT_ROWS = 100_000;

/** `QUEUE_FULL` for a tenant whose own part of the queue is full, though there is room for others. */
export class OwnPartFull extends RuntimeError {
  /** Says what waits already. */
  constructor(waiting: string) {
    super("QUEUE_FULL", `Cannot queue a request: ${waiting}, which is its part of the queue`);
  }
}

/** One tenant's account. */
interface Lane {
  /** By priority, then as they came. */
  readonly queue: Sequence[];
  /** Tokens of those that wait and have not run yet. */
  freshTokens: number;
  running: number;
  /** Rows computed, each divided by its sequence's weight. */
  served: number;
}

/**
 * Fair queueing by service received (Sheng et al. 2024, "Fairness in Serving Large Language Models", the
 * virtual token counter): next is whoever has had the fewest rows computed. Rows that were found in the
 * cache cost nothing. A tenant that comes anew begins with the least of those that are there, so it neither
 * collects credit while away nor pays for having been alone. Within a tenant priorities are strict; between
 * tenants a priority of p makes a row cost 2⁻ᵖ.
 */
export function createFairQueue(limits: QueueLimits): FairQueue {
  const lanes = new Map<string, Lane>();
  /** Sequences that were let in once, here or before an engine broke: they count for no limit. */
  const again = new Set<Sequence>();
  let waiting = 0;
  let running = 0;
  let freshTokens = 0;
  const orders = new WeakMap<Sequence, number>();
  let order = 0;
  /** Where a tenant begins that comes when nobody is there. */
  let start = 0;
  /** Rows computed of all. */
  let rowsOfAll = 0;
  /** Who took part last, and when somebody else last did, in rows. */
  let latest: string | undefined;
  let othersAt = -Infinity;

  function laneOf(tenant: string): Lane {
    const known = lanes.get(tenant);
    if (known !== undefined) return known;
    const lane: Lane = { queue: [], freshTokens: 0, running: 0, served: 0 };
    lanes.set(tenant, lane);
    return lane;
  }

  function tookPart(tenant: string): void {
    if (latest !== undefined && latest !== tenant) othersAt = rowsOfAll;
    latest = tenant;
  }

  /** The lane of a sequence that begins to take part. */
  function enter(tenant: string): Lane {
    const lane = laneOf(tenant);
    if (isActive(lane)) return lane;
    let least = Infinity;
    for (const other of lanes.values()) if (isActive(other)) least = Math.min(least, other.served);
    if (least < Infinity) start = Math.max(start, least);
    lane.served = Math.max(lane.served, start);
    // The map is in the order of coming, so that the ones gone longest are forgotten.
    lanes.delete(tenant);
    lanes.set(tenant, lane);
    forgetOld();
    return lane;
  }

  function forgetOld(): void {
    if (lanes.size <= MAX_REMEMBERED) return;
    for (const [tenant, lane] of lanes) {
      if (isActive(lane)) continue;
      lanes.delete(tenant);
      if (lanes.size <= MAX_REMEMBERED) return;
    }
  }

  /**
   * Named tenants may each take as much as is left (Choudhury and Hahne 1998, dynamic thresholds): one alone
   * half of the queue and of its tokens, two a third each, so that there is always room for another.
   */
  function checkRoom({ tenant, tokens }: Sequence): void {
    const all = waiting + running;
    if (all >= limits.requests) throw queueFull(all);
    if (freshTokens > 0 && freshTokens + tokens.length > limits.tokens) {
      throw full(`prompts of ${freshTokens} tokens wait already, at most ${limits.tokens} may`);
    }
    const lane = tenant === ANYONE ? undefined : lanes.get(tenant);
    if (lane === undefined || lane.queue.length === 0) return;
    if (lane.queue.length >= limits.requests - all) {
      throw new OwnPartFull(`${lane.queue.length} of this key wait already`);
    }
    const own = lane.freshTokens;
    if (own > 0 && own + tokens.length > limits.tokens - freshTokens) {
      throw new OwnPartFull(`prompts of ${own} tokens of this key wait already`);
    }
  }

  function add(sequence: Sequence): void {
    if (sequence.admitted) again.add(sequence);
    else checkRoom(sequence);
    const lane = enter(sequence.tenant);
    tookPart(sequence.tenant);
    const { queue } = lane;
    const before = queue.findLastIndex(
      (other) => again.has(other) || other.priority >= sequence.priority,
    );
    queue.splice(before + 1, 0, sequence);
    orders.set(sequence, order++);
    waiting++;
    if (sequence.admitted) return;
    freshTokens += sequence.tokens.length;
    lane.freshTokens += sequence.tokens.length;
  }

  /**
   * The first of the lane with the least service, of equals the oldest: whoever waits for room stays the
   * head meanwhile, as others' rows are charged to them and newcomers begin no lower.
   */
  function head(): Sequence | undefined {
    let best: Sequence | undefined;
    let least = Infinity;
    for (const { queue, served } of lanes.values()) {
      const first = queue[0];
      if (first === undefined || served > least) continue;
      if (served === least && orders.get(first)! > orders.get(best!)!) continue;
      best = first;
      least = served;
    }
    return best;
  }

  function take(): Sequence {
    const sequence = head();
    if (sequence === undefined) throw new RangeError("Cannot take from an empty queue");
    const lane = laneOf(sequence.tenant);
    unqueue(sequence, lane);
    lane.running++;
    running++;
    return sequence;
  }

  function putBack(sequence: Sequence): void {
    const lane = laneOf(sequence.tenant);
    lane.running--;
    running--;
    lane.queue.unshift(sequence);
    again.add(sequence);
    waiting++;
  }

  function remove(sequence: Sequence): void {
    const lane = lanes.get(sequence.tenant);
    if (lane === undefined) return;
    if (sequence.state === "running") {
      lane.running--;
      running--;
    } else if (lane.queue.includes(sequence)) {
      unqueue(sequence, lane);
    }
  }

  function unqueue(sequence: Sequence, lane: Lane): void {
    lane.queue.splice(lane.queue.indexOf(sequence), 1);
    waiting--;
    if (again.delete(sequence)) return;
    freshTokens -= sequence.tokens.length;
    lane.freshTokens -= sequence.tokens.length;
  }

  return {
    get waiting() {
      return waiting;
    },
    add,
    head,
    take,
    putBack,
    remove,
    charge(sequence, rows) {
      rowsOfAll += rows;
      tookPart(sequence.tenant);
      laneOf(sequence.tenant).served += rows / 2 ** sequence.priority;
    },
    running: (tenant) => lanes.get(tenant)?.running ?? 0,
    served: (tenant) => lanes.get(tenant)?.served ?? 0,
    get shared() {
      return rowsOfAll - othersAt < RECENT_ROWS;
    },
  };
}

function isActive(lane: Lane): boolean {
  return lane.running > 0 || lane.queue.length > 0;
}

/** Why a request is refused where so many are in progress. */
export function queueFull(requests: number): RuntimeError {
  return full(`${requests} are in progress`);
}

function full(why: string): RuntimeError {
  return new RuntimeError("QUEUE_FULL", `Cannot queue a request: ${why}`);
}
