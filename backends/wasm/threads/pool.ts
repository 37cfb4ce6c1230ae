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
import { createDivision, divide } from "./divide.ts";
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
  let chunks = 0;
  let cost = 0;
  /** The region under construction. */
  const region = createDivision();
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

  /** Write down units of a chunk for each part, now that the region's work is known. */
  function share(): void {
    divide(region, active + 1, leastShared);
    chunks = 0;
    for (let i = 0; i < region.parts; i++) {
      const at = REGION + 1 + i * PART.words;
      control[at + PART.grain] = region.grains[i]!;
      control[at + PART.firstChunk] = chunks;
      chunks += Math.ceil(region.units[i]! / region.grains[i]!);
    }
  }

  function runAlone(): void {
    for (let i = 0; i < region.parts; i++) {
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
    share();
    control[REGION] = region.parts;
    Atomics.store(control, DONE, 0);
    const number = (Atomics.load(control, TICKET) & ~CHUNK_MASK) + NEXT_REGION;
    Atomics.store(control, TICKET, number | chunks);
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
      if (region.parts === MAX_PARTS) {
        throw new RangeError(`Cannot share a region of more than ${MAX_PARTS} parts`);
      }
      part = REGION + 1 + region.parts * PART.words;
      region.units[region.parts] = units;
      // Nothing costs nothing: the cost is a divisor.
      region.costs[region.parts++] = Math.max(unitCost, 1);
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
        region.parts = 0;
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
