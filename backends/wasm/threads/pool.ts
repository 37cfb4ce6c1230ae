import type { Executor } from "../executor.ts";
import { MAX_STEPS } from "../executor.ts";
import { takeChunks, type Tables } from "./chunk.ts";
import {
  ACTIVE,
  CHUNK_MASK,
  DONE,
  FAILED,
  LEADER_SLEEPS,
  MAX_PARTS,
  NEXT_REGION,
  PART,
  REGION,
  SLEEPERS,
  STOP,
  TICKET,
} from "./control.ts";
import { createGovernor } from "./governor.ts";
import { pause } from "./pause.ts";

/** What the leader of a pool is made of. */
export interface PoolOptions {
  /** `CONTROL_BYTES` long, shared with the members. */
  readonly control: SharedArrayBuffer;
  readonly tables: Tables;
  /** Members beside this thread. */
  readonly members: number;
  /** A clock in milliseconds. */
  readonly now: () => number;
  /** Whether this thread may sleep in `Atomics.wait`; a browser's main thread may not. */
  readonly mayBlock: boolean;
  /** Share regions of this much work and more, in nanoseconds: tests share everything. */
  readonly leastShared?: number;
  /** Resolves when all members have ended; called after they were told to. */
  readonly ended: () => Promise<void>;
}

/** A region of less work than this is done here: to share costs about a fifth of a microsecond. */
const LEAST_SHARED_NS = 1500;

/** A chunk of less, as a share of that, is not worth taking; one of more leaves a thread waiting for the last. */
const LEAST_CHUNK = 1.5;
const MOST_CHUNK_NS = 60_000;

/** Chunks for each thread, so that one that was held up leaves its share to the others. */
const CHUNKS_PER_THREAD = 2;

/** Spins before the leader looks at the clock, then before it sleeps. */
const SPINS = 2000;
const SLEEP_AFTER_MS = 0.1;

/** The leader looks after its members at least this often. */
const SLEEP_MS = 5;

/**
 * The executor of a thread that shares its regions with a pool's members. Chunks go to whoever is free:
 * a member that is late, or that the system does not let run, holds up nothing that it has not begun.
 */
export function createPool(options: PoolOptions): Executor {
  const { tables, members, now, mayBlock, leastShared = LEAST_SHARED_NS } = options;
  const control = new Int32Array(options.control);
  const governor = createGovernor(members);
  /** Members that may take part. */
  let active = members;
  let stepCost = 0;
  let stepStart = 0;
  let parts = 0;
  let chunks = 0;
  let cost = 0;
  /** Of a unit of each part. */
  const costs: number[] = [];
  /** Where the part under construction is. */
  let part = REGION + 1;
  // A member may have been here before and have fallen asleep, as nobody was to take part.
  Atomics.store(control, ACTIVE, members);
  Atomics.notify(control, ACTIVE);

  function setActive(count: number): void {
    if (active === count) return;
    active = count;
    Atomics.store(control, ACTIVE, count);
    Atomics.notify(control, ACTIVE);
  }

  /** Units of a chunk for each part, now that the region's work is known. */
  function divide(): void {
    const share = cost / ((active + 1) * CHUNKS_PER_THREAD);
    const goal = Math.min(Math.max(share, LEAST_CHUNK * leastShared), MOST_CHUNK_NS);
    // Rounding up may give each part one chunk more.
    const least = cost / (CHUNK_MASK - parts);
    chunks = 0;
    for (let i = 0; i < parts; i++) {
      const at = REGION + 1 + i * PART.words;
      const units = control[at + PART.units]!;
      const grain = Math.max(1, Math.round(Math.max(goal, least) / costs[i]!));
      control[at + PART.grain] = grain;
      control[at + PART.firstChunk] = chunks;
      chunks += Math.ceil(units / grain);
    }
  }

  function runAlone(): void {
    for (let i = 0; i < parts; i++) {
      const at = REGION + 1 + i * PART.words;
      const units = control[at + PART.units]!;
      const steps = control[at + PART.steps]!;
      const table = tables[control[at + PART.memory]!]!;
      for (let s = 0; s < steps; s++) {
        const step = at + PART.kernels + 2 * s;
        table[control[step]!]!(control[step + 1]!, 0, units);
      }
    }
  }

  function runShared(): void {
    divide();
    control[REGION] = parts;
    Atomics.store(control, DONE, 0);
    const region = (Atomics.load(control, TICKET) & ~CHUNK_MASK) + NEXT_REGION;
    Atomics.store(control, TICKET, region | chunks);
    if (Atomics.load(control, SLEEPERS) > 0) Atomics.notify(control, TICKET);
    takeChunks(control, tables);
    for (let spins = 0; Atomics.load(control, DONE) < chunks; spins++) {
      if (spins === SPINS) return waitForMembers();
      pause();
    }
    checkMembers();
  }

  /** A member is still at its last chunk: perhaps the system has taken it off its core. */
  function waitForMembers(): void {
    const start = now();
    for (;;) {
      const done = Atomics.load(control, DONE);
      if (done >= chunks) break;
      if (mayBlock && now() - start > SLEEP_AFTER_MS) {
        // The member may need this very core.
        Atomics.store(control, LEADER_SLEEPS, 1);
        Atomics.wait(control, DONE, done, SLEEP_MS);
        Atomics.store(control, LEADER_SLEEPS, 0);
      }
    }
    checkMembers();
  }

  function checkMembers(): void {
    if (Atomics.load(control, FAILED) > 0)
      throw new WebAssembly.RuntimeError("a kernel trapped in another thread");
  }

  return {
    threads: members + 1,
    beginStep() {
      stepCost = 0;
      stepStart = now();
    },
    endStep() {
      const end = now();
      governor.took(stepCost, active, end - stepStart, end);
      // The next step is most likely one of the same kind.
      setActive(governor.members(stepCost, end));
    },
    part(units, unitCost, memory = 0) {
      if (parts === MAX_PARTS) {
        throw new RangeError(`Cannot share a region of more than ${MAX_PARTS} parts`);
      }
      part = REGION + 1 + parts * PART.words;
      // Nothing costs nothing: the cost is a divisor.
      costs[parts] = Math.max(unitCost, 1);
      parts++;
      cost += units * unitCost;
      control[part + PART.units] = units;
      control[part + PART.steps] = 0;
      control[part + PART.memory] = memory;
    },
    step(kernel, args) {
      const steps = control[part + PART.steps]!;
      if (steps === MAX_STEPS) throw new RangeError(`Cannot add a step: a part has ${MAX_STEPS}`);
      control[part + PART.kernels + 2 * steps] = kernel;
      control[part + PART.kernels + 2 * steps + 1] = args;
      control[part + PART.steps] = steps + 1;
    },
    run() {
      try {
        stepCost += cost;
        if (active === 0 || cost < leastShared) runAlone();
        else runShared();
      } finally {
        parts = 0;
        cost = 0;
      }
    },
    async close() {
      Atomics.store(control, STOP, 1);
      Atomics.store(control, ACTIVE, members);
      Atomics.add(control, TICKET, NEXT_REGION);
      Atomics.notify(control, ACTIVE);
      Atomics.notify(control, TICKET);
      await options.ended();
    },
  };
}
