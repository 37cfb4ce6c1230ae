import type { Sequence } from "./sequence.ts";

/** What an engine knows of how long its work will take. */
export interface Backlog {
  /** A step of `rows` rows took so long. */
  stepped(rows: number, milliseconds: number): void;
  /** An answer has ended, `tokens` long. */
  answered(tokens: number): void;
  /** Rows per second of the last seconds in which it computed; 0 before its first step. */
  readonly rowsPerSecond: number;
  /**
   * Rows that sequences will still take: what is left of their prompts, and of their answers as many as ended ones
   * had on average, whatever they may have.
   *
   * @param known Share of prompts that is found in the cache and costs nothing, from 0 to 1.
   */
  rowsAhead(sequences: Iterable<Remaining>, known: number): number;
}

/** What of a sequence says how much is left of it. */
export type Remaining = Pick<Sequence, "state" | "tokens" | "computed" | "limit">;

/** Load changes within seconds, and a few steps say little. */
const WINDOW_MS = 4000;

/** About so many answers count: what people ask changes more slowly than load. */
const ANSWERS = 64;

/** A short paragraph, until answers have ended. */
const FIRST_GUESS_TOKENS = 128;

/** Nothing known yet. */
export function createBacklog(): Backlog {
  let rows = 0;
  let milliseconds = 0;
  let answers = 0;
  let tokens = 0;
  return {
    stepped(computed, took) {
      rows += computed;
      milliseconds += took;
      if (milliseconds <= WINDOW_MS) return;
      // What is older than the window counts for half, then for a quarter.
      rows /= 2;
      milliseconds /= 2;
    },
    answered(length) {
      answers++;
      tokens += length;
      if (answers <= ANSWERS) return;
      answers /= 2;
      tokens /= 2;
    },
    get rowsPerSecond() {
      return milliseconds > 0 ? (rows / milliseconds) * 1000 : 0;
    },
    rowsAhead(sequences, known) {
      const length = answers === 0 ? FIRST_GUESS_TOKENS : tokens / answers;
      let ahead = 0;
      for (const sequence of sequences) {
        const prompt = sequence.tokens.length - sequence.computed;
        ahead += sequence.state === "waiting" ? prompt * (1 - known) : prompt;
        ahead += Math.min(sequence.limit - sequence.tokens.length, length);
      }
      return Math.ceil(ahead);
    },
  };
}
