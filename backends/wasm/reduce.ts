import {
  changeLogits,
  checkQuery,
  type LogitQuery,
  type LogitSummary,
  MAX_CANDIDATES,
  maskLogits,
  pickLogits,
} from "../../core/tensor/logits.ts";
import type { LocalArena } from "./arena.ts";
import { kernelId } from "./kernels.ts";
import type { OpsContext } from "./ops.ts";
import type { WasmTensor } from "./tensors.ts";

/** Tokens of a group (`sampling::GROUP`): the unit of both passes over a row. */
const GROUP = 128;

/** Nanoseconds of a group, roughly: to find its maximum, and to add its weights up. */
const MAXIMUM_NS = 20;
const MASS_NS = 120;

/** Bytes of `sampling::LogitArgs`. */
const ARGS_BYTES = 64;

/** Where its fields are, in words of 32 bits, and those of f64 in words of 64. */
const WORD = { logits: 2, scale: 10, max: 11, drawn: 14 } as const;
const DOUBLE = { random: 0, mass: 6 } as const;

const KERNELS = {
  maxima: kernelId("logit_maxima"),
  best: kernelId("logit_best"),
  masses: kernelId("logit_masses"),
  draw: kernelId("logit_draw"),
} as const;

/** Answers queries about a tensor's rows. Summaries are valid until the next call. */
export type Reduce = (
  logits: WasmTensor,
  queries: readonly LogitQuery[],
) => readonly LogitSummary[];

/** The reduction by kernels; memory for the vocabulary is taken when it is first needed. */
export function createReduce(context: OpsContext & { readonly arena: LocalArena }): Reduce {
  const { arena, executor, scratch } = context;
  const args = scratch(ARGS_BYTES);
  const keys = scratch(MAX_CANDIDATES * 8);
  let groups = { room: 0, maxima: 0, masses: 0 };
  let candidates = { room: 0, offset: 0 };

  function reserve(count: number, queries: number): void {
    if (count > groups.room) {
      groups = { room: count, maxima: scratch(count * 4), masses: scratch(count * 4) };
    }
    if (queries > candidates.room) {
      // Doubling bounds what is left behind by what is in use.
      const room = 2 * queries;
      candidates = { room, offset: scratch(room * MAX_CANDIDATES * 8) };
    }
  }

  /** A region of one kernel. */
  function share(units: number, cost: number, kernel: number): void {
    executor.part(units, cost);
    executor.step(kernel, args);
    executor.run();
  }

  /** Add weights up and draw by them; what comes of it is in the arguments. */
  function weigh(count: number, temperature: number, random: number): void {
    arena.floats[args / 4 + WORD.scale] = 1 / temperature;
    doubles()[DOUBLE.random] = random;
    share(count, MASS_NS, KERNELS.masses);
    share(1, 0, KERNELS.draw);
  }

  function doubles(): Float64Array {
    return new Float64Array(arena.words.buffer, args, ARGS_BYTES / 8);
  }

  function answer(logits: WasmTensor, query: LogitQuery, index: number): LogitSummary {
    const vocab = logits.width;
    const count = Math.ceil(vocab / GROUP);
    const at = logits.offset + query.row * vocab * 4;
    const row = arena.f32(at, vocab);
    const tokenLogits = pickLogits(row, query.tokens);
    if (query.mask !== undefined) maskLogits(row, query.mask);
    if (query.changes !== undefined) changeLogits(row, query.changes);

    const k = Math.min(query.k, vocab);
    const ids = candidates.offset + index * MAX_CANDIDATES * 8;
    const best = ids + MAX_CANDIDATES * 4;
    const { words, floats } = arena;
    const fields = [at, vocab, groups.maxima, groups.masses, keys, ids, best, k];
    for (let i = 0; i < fields.length; i++) words[args / 4 + WORD.logits + i] = fields[i]!;
    share(count, MAXIMUM_NS, KERNELS.maxima);
    share(1, 0, KERNELS.best);

    const { draw, mass: massWanted = false } = query;
    let mass = 0;
    let drawn = -1;
    if (draw !== undefined) {
      weigh(count, draw.temperature, draw.random);
      drawn = words[args / 4 + WORD.drawn]!;
    }
    if (massWanted) {
      // A draw at temperature 1 has found it already.
      if (draw?.temperature !== 1) weigh(count, 1, 0);
      mass = doubles()[DOUBLE.mass]!;
    }
    return {
      tokenLogits,
      ids: words.subarray(ids / 4, ids / 4 + k),
      logits: floats.subarray(best / 4, best / 4 + k),
      max: floats[args / 4 + WORD.max]!,
      mass,
      drawn,
      drawnLogit: drawn < 0 ? -Infinity : row[drawn]!,
    };
  }

  return (logits, queries) => {
    for (const query of queries) checkQuery(query, logits.label, logits.rows);
    reserve(Math.ceil(logits.width / GROUP), queries.length);
    return queries.map((query, index) => answer(logits, query, index));
  };
}
