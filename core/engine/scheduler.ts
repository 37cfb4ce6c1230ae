import { RuntimeError } from "../errors.ts";
import { createKvBlocks } from "./kv-blocks.ts";
import { createPrefixIndex } from "./prefix-index.ts";
import { type QueueLimits, createFairQueue } from "./queue.ts";
import type { Sequence } from "./sequence.ts";

/** What one step is to compute. */
export interface StepPlan {
  readonly work: readonly Work[];
  /** Rows of all work together. */
  readonly rows: number;
  /** Rows whose logits are wanted, of all work together. */
  readonly logitRows: number;
}

/**
 * The next `rows` tokens of a sequence; the logits of the last `logitRows` of them are wanted. The last
 * `drafted` of them are guesses, which the logits before each confirm or not.
 */
export interface Work {
  readonly sequence: Sequence;
  readonly rows: number;
  readonly logitRows: number;
  readonly drafted: number;
}

/** The token that a sequence goes on with, or several where guesses were right; none where it has caught up. */
export type Sampled = number | readonly number[] | undefined;

/** A sequence that came to its end, and how. */
export interface Finished {
  readonly sequence: Sequence;
  readonly reason: "stop" | "length";
}

/** Decides; never computes, never waits, never reads a clock. */
export interface Scheduler {
  /**
   * Queue a sequence. Throws `CONTEXT_LENGTH_EXCEEDED` for one that could never fit, and `QUEUE_FULL`.
   */
  add(sequence: Sequence): void;
  /** The next step, or `undefined` when there is nothing to do. */
  plan(): StepPlan | undefined;
  /**
   * Record that a plan was computed. `sampled` has a token for each work that caught up and goes on, and one
   * more for each guess that was right; a sequence that caught up without one is finished.
   */
  commit(plan: StepPlan, sampled: readonly Sampled[]): readonly Finished[];
  /** Of `count` guesses of a running sequence how many there is room for; their blocks are held from now on. */
  room(sequence: Sequence, count: number): number;
  /** Drop a sequence and free its blocks; allowed while a plan that holds it is computed. */
  abort(sequence: Sequence): void;
  readonly load: SchedulerLoad;
}

/** How full a scheduler is. */
export interface SchedulerLoad {
  readonly waiting: number;
  readonly running: number;
  readonly blocksUsed: number;
  readonly blocksTotal: number;
  /** Tokens of sequences that were let in, and how many of those were found in the cache. */
  readonly prefixQueries: number;
  readonly prefixHits: number;
}

/** Fixed budgets of a scheduler, all ≥ 1. */
export interface SchedulerLimits {
  /** Rows of one step. */
  readonly maxRows: number;
  /** Rows of one step whose logits can be had. */
  readonly maxLogitRows: number;
  /** Rows of one step that may belong to sequences more than one token behind, all together. */
  readonly chunk: number;
  /** Sequences in the cache at once; never more than a step has rows and logits for. */
  readonly maxSequences: number;
  readonly blocks: number;
  readonly blockSize: number;
  /** Fills blocks of a sequence that was let in, see {@linkcode KvPrefixes.fill}. */
  readonly fill?: (sequence: Sequence, computed: number) => number;
  /** Told of blocks that come to another tenant, before anything is computed in them. */
  readonly handedOver?: (blocks: readonly number[]) => void;
  /** What may wait; absent means any number. */
  readonly queue?: QueueLimits;
  /** Whether a sequence has to be computed in one step, as where tokens see what comes after them; absent means no. */
  readonly whole?: boolean;
  /** Whether sequences of a tenant that begin alike share blocks; absent means yes. */
  readonly sharePrefixes?: boolean;
}

/**
 * Rows of long prompts in a step while several tenants take part: whoever asks in the middle of it waits for no more
 * than that, and then for nothing but its own prompt. Kernels are as fast with so many rows as with more.
 */
const POLITE_ROWS = 16;

const UNBOUNDED: QueueLimits = { requests: Infinity, tokens: Infinity };

/**
 * Continuous batching, fair between tenants, first come first served within one.
 *
 * There is no prefill or decode phase: a sequence has tokens and a count of computed ones, and each
 * step lets sequences catch up. Those one token behind, the ones that are being answered, go first;
 * what is left of the row budget, and at most `chunk`, goes to longer ones: to the tenant that has been
 * given least, and of one tenant to the oldest. So a long prompt never halts answers and is never halted
 * itself. Where there are several tenants, long prompts come in small pieces, so that nobody waits long for a step.
 * When the cache is full, the youngest sequence gives its blocks back, goes to the head of its tenant's queue and is
 * computed again later; so does one of a tenant that has several slots where another has none. Full blocks stay known
 * by their tokens: who begins with the same ones does not compute them again.
 */
export function createScheduler(limits: SchedulerLimits): Scheduler {
  const { maxRows, maxLogitRows, chunk } = limits;
  // With a row and a logit row for each, no running sequence can be crowded out of a step.
  const maxSequences = Math.min(limits.maxSequences, maxRows, maxLogitRows);
  const { blockSize, whole = false } = limits;
  // What a token computes depends on those after it, too: a beginning says nothing.
  const sharePrefixes = (limits.sharePrefixes ?? true) && !whole;
  const prefixes = createPrefixIndex(blockSize);
  const blocks = createKvBlocks(limits.blocks, blockSize, {
    lost: (block) => prefixes.forget(block),
    ...(limits.handedOver === undefined ? {} : { handedOver: limits.handedOver }),
  });
  const queue = createFairQueue(limits.queue ?? UNBOUNDED);
  /** In the order in which they were let in. */
  const running: Sequence[] = [];
  let prefixQueries = 0;
  let prefixHits = 0;

  function add(sequence: Sequence): void {
    // Without this it would preempt everyone and then itself, for ever.
    if (sequence.limit > blocks.capacity) {
      throw new RuntimeError(
        "CONTEXT_LENGTH_EXCEEDED",
        `Cannot schedule ${sequence.limit} tokens: the cache holds ${blocks.capacity}`,
      );
    }
    queue.add(sequence);
  }

  function plan(): StepPlan | undefined {
    const work: Work[] = [];
    let rows = 0;
    let logitRows = 0;
    // Each sequence may have one row of logits; those that want many share what is over.
    let spare = maxLogitRows - Math.min(maxSequences, running.length + queue.waiting);
    makeWay();

    function give(sequence: Sequence, most: number): number {
      const { computed, wanted, tokens } = sequence;
      const first = Math.max(computed, wanted);
      if (whole) {
        // It waits for a step that has room for all of it; an empty one has.
        if (tokens.length > most || logitRows + tokens.length - first > maxLogitRows) return 0;
        spare = tokens.length;
      }
      const end = Math.min(computed + most, tokens.length, first + 1 + spare);
      const logits = Math.max(0, end - first);
      work.push({ sequence, rows: end - computed, logitRows: logits, drafted: 0 });
      rows += end - computed;
      logitRows += logits;
      spare -= Math.max(0, logits - 1);
      return end - computed;
    }

    for (let i = 0; i < running.length; i++) {
      const sequence = running[i]!;
      if (behind(sequence) !== 1 || !makeRoom(sequence)) continue;
      // Every other running sequence keeps a row, and guesses never cost one its blocks.
      const most = Math.min(spare, maxRows - rows - running.length);
      const drafted = room(sequence, Math.min(sequence.draft.length, most));
      if (drafted === 0) {
        give(sequence, 1);
        continue;
      }
      work.push({ sequence, rows: 1 + drafted, logitRows: 1 + drafted, drafted });
      rows += 1 + drafted;
      logitRows += 1 + drafted;
      spare -= drafted;
    }
    let budget = Math.min(chunk, maxRows - rows);
    // A tenant without a slot is let in before others' long prompts have eaten the budget.
    if (budget > 0) admitNewcomers();
    const given = new Set(work.map(({ sequence }) => sequence));
    const longer = running.filter((sequence) => !given.has(sequence));
    const polite = queue.shared && !whole;
    let prompts = 0;
    function giveToPrompt(sequence: Sequence): void {
      // One that fits into a step is computed in one, alone.
      const fits = prompts === 0 && sequence.tokens.length - (sequence.cached ?? 0) <= chunk;
      const count = give(sequence, polite && !fits ? Math.min(budget, POLITE_ROWS) : budget);
      prompts += count;
      budget -= count;
      if (polite) budget = Math.min(budget, Math.max(POLITE_ROWS - prompts, 0));
    }
    for (const sequence of longer.toSorted(
      (a, b) => queue.served(a.tenant) - queue.served(b.tenant),
    )) {
      if (budget > 0) giveToPrompt(sequence);
    }
    while (budget > 0 && running.length < maxSequences && admitNext()) {
      giveToPrompt(running.at(-1)!);
    }
    return work.length > 0 ? { work, rows, logitRows } : undefined;
  }

  function room({ tokens, limit, computed, blocks: held, tenant }: Sequence, most: number): number {
    const count = Math.min(most, limit - tokens.length - 1);
    if (count <= 0) return 0;
    // A block more is soon needed in any case; the last ones are for rows that are no guesses.
    const roomy = blocks.free > running.length;
    if (roomy && blocks.reserve(held, computed + 1 + count, tenant)) return count;
    return Math.max(0, Math.min(count, held.length * blockSize - computed - 1));
  }

  /** Room for one more position, at the cost of the youngest; false where that was the sequence itself. */
  function makeRoom(sequence: Sequence): boolean {
    while (!blocks.reserve(sequence.blocks, sequence.computed + 1, sequence.tenant)) {
      // It comes after `sequence` or is it, so this step has no work for it yet.
      const youngest = running.at(-1)!;
      giveWay(youngest);
      if (youngest === sequence) return false;
    }
    return true;
  }

  /** Let a sequence wait again; what it has computed is found again unless the room is needed. */
  function giveWay(sequence: Sequence): void {
    running.splice(running.indexOf(sequence), 1);
    letGo(sequence);
    sequence.computed = 0;
    sequence.preemptions++;
    sequence.state = "waiting";
    queue.putBack(sequence);
  }

  function letGo(sequence: Sequence): void {
    blocks.release(sequence.blocks);
    sequence.chain.length = 0;
  }

  /**
   * Where the next one's tenant has no slot and there is no room, tenants with several give up their youngest.
   * Nothing is given up in vain: either that makes room, or all stay.
   */
  function makeWay(): void {
    const next = queue.head();
    if (next === undefined || queue.running(next.tenant) > 0) return;
    const victims: Sequence[] = [];
    let { free } = blocks;
    const fits = (): boolean => {
      const left = running.length - victims.length;
      return left < maxSequences && free - blocks.needed(next.tokens.length) >= left;
    };
    const slots = new Map<string, number>();
    for (const { tenant } of running) slots.set(tenant, queue.running(tenant));
    while (!fits()) {
      const most = Math.max(0, ...slots.values());
      if (most < 2) return;
      const victim = running.findLast(
        (one) => slots.get(one.tenant) === most && !victims.includes(one),
      )!;
      slots.set(victim.tenant, most - 1);
      victims.push(victim);
      free += victim.blocks.length;
    }
    for (const victim of victims) giveWay(victim);
  }

  function admitNewcomers(): void {
    while (running.length < maxSequences) {
      const next = queue.head();
      if (next === undefined || queue.running(next.tenant) > 0 || !admitNext()) return;
    }
  }

  /**
   * Let the next sequence run if all it has fits at once and leaves a block for each running one to
   * grow: who is let in earlier is soon preempted again, and its rows were computed in vain.
   */
  function admitNext(): boolean {
    const next = queue.head();
    if (next === undefined) return false;
    if (sharePrefixes) shareBlocks(next);
    const left = blocks.free + next.blocks.length - blocks.needed(next.tokens.length);
    const fits = running.length === 0 || left >= running.length;
    if (!fits || !blocks.reserve(next.blocks, next.tokens.length, next.tenant)) {
      letGo(next);
      return false;
    }
    const shared = next.chain.length * blockSize;
    next.computed = limits.fill?.(next, shared) ?? shared;
    if (next.cached === undefined) {
      next.cached = next.computed;
      prefixQueries += next.tokens.length;
      prefixHits += next.computed;
    }
    queue.take();
    next.state = "running";
    running.push(next);
    return true;
  }

  /** Hold the known blocks of a sequence's beginning, up to the first position whose logits are wanted. */
  function shareBlocks(sequence: Sequence): void {
    const last = Math.min(sequence.wanted, sequence.tokens.length - 1);
    for (const node of prefixes.find(sequence, Math.floor(last / blockSize))) {
      blocks.share(sequence.blocks, node.block);
      sequence.chain.push(node);
    }
  }

  /** Make a sequence's full blocks known. */
  function publish(sequence: Sequence): void {
    const { chain } = sequence;
    while ((chain.length + 1) * blockSize <= sequence.computed) {
      const own = sequence.blocks[chain.length]!;
      const node = prefixes.add(sequence);
      if (node.block === own) blocks.keep(own);
      chain.push(node);
    }
  }

  function commit(step: StepPlan, sampled: readonly Sampled[]): readonly Finished[] {
    const finished: Finished[] = [];
    for (const [i, { sequence, rows, drafted }] of step.work.entries()) {
      if (sequence.state === "ended") continue; // aborted while the step was computed
      const tokens = listOf(sampled[i]);
      // The rows of guesses after the first wrong one have computed something that never was.
      const kept = drafted === 0 ? rows : Math.max(tokens.length, 1);
      sequence.computed += kept;
      sequence.wanted = Math.max(sequence.wanted, sequence.computed);
      sequence.draft = [];
      queue.charge(sequence, rows);
      const reason = append(sequence, tokens);
      if (sharePrefixes) publish(sequence);
      if (reason === undefined) continue;
      abort(sequence);
      finished.push({ sequence, reason });
    }
    return finished;
  }

  function abort(sequence: Sequence): void {
    if (sequence.state === "ended") return;
    queue.remove(sequence);
    const at = running.indexOf(sequence);
    if (at >= 0) running.splice(at, 1);
    letGo(sequence);
    sequence.state = "ended";
  }

  return {
    add,
    plan,
    commit,
    room,
    abort,
    get load() {
      return {
        waiting: queue.waiting,
        running: running.length,
        blocksUsed: blocks.total - blocks.free,
        blocksTotal: blocks.total,
        prefixQueries,
        prefixHits,
      };
    },
  };
}

/** Tokens that are not yet computed. */
function behind(sequence: Sequence): number {
  return sequence.tokens.length - sequence.computed;
}

function listOf(sampled: Sampled): readonly number[] {
  if (sampled === undefined) return [];
  return typeof sampled === "number" ? [sampled] : sampled;
}

/** Append what was sampled; returns why the sequence is finished, where it is. */
function append(sequence: Sequence, sampled: readonly number[]): Finished["reason"] | undefined {
  // In the middle of a prompt there is nothing to append.
  if (sampled.length === 0) return behind(sequence) > 0 ? undefined : "length";
  for (const token of sampled) {
    if (sequence.stops.has(token)) return "stop";
    sequence.tokens.push(token);
    if (sequence.tokens.length >= sequence.limit) return "length";
  }
  return undefined;
}
