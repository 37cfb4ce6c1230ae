import { instantiateKernels } from "../kernels.ts";
import { helpWith } from "./chunk.ts";
import { ACTIVE, CHUNK_MASK, DONE, FAILED, SLEEPERS, STOP, TICKET } from "./control.ts";
import { pause } from "./pause.ts";

/** What a member of a pool is started with; it can be posted to a worker. */
export interface MemberTask {
  /** A kernel module from `shareMemory`. */
  readonly module: WebAssembly.Module;
  readonly memories: readonly WebAssembly.Memory[];
  readonly control: SharedArrayBuffer;
  /** From 0. */
  readonly index: number;
  /** Where its stacks begin, growing down: one in each memory. */
  readonly stackTops: readonly number[];
}

/**
 * How long a member that finds nothing to do spins before it sleeps: longer than what lies between two
 * regions or two steps of an answer (sampling, some events), far shorter than anybody's patience. A
 * wake-up costs some 30 µs, so one in a step would be felt.
 */
const SPIN_MS = 0.4;

/** Spins between two looks at the clock. */
const SPINS = 256;

/**
 * Compute chunks until the leader stops the pool. It blocks the thread all the while. `now` is a clock in
 * milliseconds. Throws when a kernel traps, after telling the leader.
 */
export async function serveAsMember(task: MemberTask, now: () => number): Promise<void> {
  const control = new Int32Array(task.control);
  const { module, memories, stackTops } = task;
  const tables = await Promise.all(
    memories.map(async (memory, i) => {
      const { table, stackPointer } = await instantiateKernels(module, memory);
      stackPointer.value = stackTops[i]!;
      return table;
    }),
  );
  try {
    while (Atomics.load(control, STOP) === 0) {
      if (!helpWith(control, tables, task.index)) waitForWork(control, task.index, now);
    }
  } catch (error) {
    Atomics.add(control, FAILED, 1);
    // The chunk counts as done, so that the leader comes to look.
    Atomics.add(control, DONE, 1);
    Atomics.notify(control, DONE);
    throw error;
  }
}

/** Spin for a while, then sleep until there may be something to do. */
function waitForWork(control: Int32Array, index: number, now: () => number): void {
  const active = Atomics.load(control, ACTIVE);
  if (index >= active) {
    Atomics.wait(control, ACTIVE, active);
    return;
  }
  const until = now() + SPIN_MS;
  do {
    for (let i = 0; i < SPINS; i++) {
      if ((Atomics.load(control, TICKET) & CHUNK_MASK) !== 0) return;
      pause();
    }
  } while (now() < until && Atomics.load(control, ACTIVE) === active);
  const ticket = Atomics.load(control, TICKET);
  // In this order: whoever stops the pool sets STOP first and then changes the ticket, so that a member
  // sees the one or does not fall asleep on the other.
  if ((ticket & CHUNK_MASK) !== 0 || Atomics.load(control, STOP) !== 0) return;
  Atomics.add(control, SLEEPERS, 1);
  Atomics.wait(control, TICKET, ticket);
  Atomics.sub(control, SLEEPERS, 1);
}
