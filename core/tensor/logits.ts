/**
 * What is asked of one row of logits and what comes back, so that a vocabulary need not leave the
 * device: a few candidates, a sum, a drawn token. See {@linkcode Backend.reduce}.
 */

/** Candidates that can be asked for: what usual top-k settings need, and few bytes to read back. */
export const MAX_CANDIDATES = 256;

/** A question about a row; its parts are answered in this order. */
export interface LogitQuery {
  readonly row: number;
  /** Tokens whose logits are wanted as they are before `changes`. */
  readonly tokens?: ArrayLike<number>;
  /**
   * [⌈vocab / 32⌉] tokens that may be chosen, bit `token % 32` of word `token / 32`: the logits of all others become
   * -Infinity before anything is changed, and stay it until the next step.
   */
  readonly mask?: Uint32Array;
  /** Logits to change first; they stay changed until the next step. */
  readonly changes?: LogitChanges;
  /** How many of the best tokens are wanted, in order: 0 to {@linkcode MAX_CANDIDATES}. */
  readonly k: number;
  /** Whether {@linkcode LogitSummary.mass} is wanted. */
  readonly mass?: boolean;
  /** Draw one token of the whole vocabulary. */
  readonly draw?: Draw;
}

/**
 * A draw with weights e^((logit - max) / temperature): the token, by ascending id, at which their
 * running sum exceeds `random` times the sum of all; token 0 where none has a weight.
 */
export interface Draw {
  /** > 0 */
  readonly temperature: number;
  /** 0 ≤ random < 1 */
  readonly random: number;
}

/**
 * Changes of logits, one after another. Change i turns the logit of token `ids[i]` into
 * penalty(logit + bias) - frequency - presence, in f64 where the device has it, rounded to f32, where
 * penalty(x) is x · repeat for x ≤ 0 and x / repeat above. Tokens outside of the vocabulary are passed over.
 */
export interface LogitChanges {
  readonly count: number;
  /** [≥ count] */
  readonly ids: Int32Array;
  /** [≥ count, 4]: bias, repeat, frequency, presence */
  readonly terms: Float64Array;
}

/** The answer to a {@linkcode LogitQuery}. Its arrays are valid until the next `reduce`. */
export interface LogitSummary {
  /** [tokens] */
  readonly tokenLogits: ArrayLike<number>;
  /** [min(k, vocab)] the best tokens: higher logit first, then lower id; NaN counts as -Infinity. */
  readonly ids: Uint32Array;
  /** [min(k, vocab)] their logits. */
  readonly logits: Float32Array;
  /** The largest logit, or -Infinity where there is no number. */
  readonly max: number;
  /** Sum of e^(logit - max) over the vocabulary; 0 where it was not asked for. */
  readonly mass: number;
  /** The token drawn, or -1, and its logit. */
  readonly drawn: number;
  readonly drawnLogit: number;
}

/** The logits of some tokens, before they are changed. */
export function pickLogits(
  row: Float32Array,
  tokens: ArrayLike<number> | undefined,
): ArrayLike<number> {
  return tokens === undefined ? [] : Float32Array.from(tokens, (token) => row[token] ?? -Infinity);
}

/** Change a row where it lies. */
export function changeLogits(row: Float32Array, { count, ids, terms }: LogitChanges): void {
  for (let i = 0; i < count; i++) {
    const id = ids[i]!;
    const logit = row[id];
    if (logit === undefined) continue;
    const biased = Math.fround(logit + terms[4 * i]!);
    const repeat = terms[4 * i + 1]!;
    const repeated = biased <= 0 ? biased * repeat : biased / repeat;
    row[id] = repeated - terms[4 * i + 2]! - terms[4 * i + 3]!;
  }
}

const ALL = 0xffff_ffff;

/** Make the tokens that a mask leaves out impossible, where the row lies. */
export function maskLogits(row: Float32Array, mask: Uint32Array): void {
  for (let word = 0, id = 0; id < row.length; word++, id += 32) {
    const bits = mask[word]!;
    if (bits === ALL) continue;
    if (bits === 0) {
      row.fill(-Infinity, id, id + 32);
      continue;
    }
    const end = Math.min(32, row.length - id);
    for (let bit = 0; bit < end; bit++) if (((bits >>> bit) & 1) === 0) row[id + bit] = -Infinity;
  }
}

/** Throws `RangeError` for a query that no backend answers. */
export function checkQuery({ row, k }: LogitQuery, label: string, rows: number): void {
  if (!Number.isInteger(row) || row < 0 || row >= rows) {
    throw new RangeError(`Cannot reduce row ${row} of "${label}": it has ${rows}`);
  }
  if (!Number.isInteger(k) || k < 0 || k > MAX_CANDIDATES) {
    throw new RangeError(`Cannot report ${k} candidates: expected 0 to ${MAX_CANDIDATES}`);
  }
}
