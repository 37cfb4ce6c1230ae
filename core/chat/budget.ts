/** What a template may use up. Templates come with model files: they are programs of strangers. */
import { RuntimeError } from "../errors.ts";
import type { Value } from "./syntax.ts";
import { entriesOf, itemsOf, textOf } from "./syntax.ts";

/** One step is about 0.2 µs of work; a long conversation through the longest real template takes a tenth. */
export const MAX_STEPS = 200_000;

/** Characters of a prompt, or of any string on the way to one: four times the longest context in use. */
export const MAX_TEXT_CHARS: number = 2 ** 20;

/** Items of a list: what `range` may give, and room for messages and tools. */
const MAX_ITEMS = 10_000;

/** Nesting of brackets and blocks in the source, of macro calls, and of data that is written out. */
export const MAX_DEPTH = 64;

/**
 * Nodes under evaluation at once. Long chains (`a ~ b ~ …`, `elif`) nest in the syntax tree though
 * nobody would call them deep; this many stack frames fit on every runtime.
 */
export const MAX_NODE_DEPTH = 512;

/**
 * Clock time, for machines slower than the steps assume. No limit where time stands still while a
 * program runs (workerd): there the steps alone decide.
 */
export const MAX_MILLISECONDS = 250;

/** Whoever ran out of clock time may try again after this; steps are the same every time. */
const AGAIN_AFTER_SECONDS = 1;

/** Looking at the clock costs as much as a few steps. */
const STEPS_BETWEEN_CLOCK_READS = 1024;

/** Characters copied, compared or converted in the time of one step. */
const CHARS_PER_STEP = 128;

/** Character comparisons of a search in the time of one step; a search may compare every pair. */
const COMPARISONS_PER_STEP = 512;

/** What writing a value out takes. */
interface Extent {
  /** Characters, not counting what separates values. */
  readonly chars: number;
  /** Values, each followed by a separator. */
  readonly nodes: number;
  readonly depth: number;
}

/** The budget of one render; every method throws `TEMPLATE_FAILED` when it is used up. */
export interface Budget {
  spend(steps: number): void;
  /** For work in proportion to a text. */
  spendChars(chars: number): void;
  /** For finding `needle` characters in `hay` characters. */
  spendSearch(hay: number, needle: number): void;
  /** For writing `value` out, shared parts as often as they occur. */
  spendWriting(value: Value): Extent;
}

/** A full budget. */
export function createBudget(now: () => number = () => performance.now()): Budget {
  let left = MAX_STEPS;
  let nextRead = MAX_STEPS - STEPS_BETWEEN_CLOCK_READS;
  const deadline = now() + MAX_MILLISECONDS;

  const spend = (steps: number): void => {
    left -= steps;
    if (left >= nextRead) return;
    nextRead = left - STEPS_BETWEEN_CLOCK_READS;
    // Not a number is no amount: it must not buy anything.
    if (!(left >= 0)) throw overrun(`more than ${MAX_STEPS} steps`);
    // On a machine that is less busy the same may do.
    if (now() > deadline) throw overrun(`more than ${MAX_MILLISECONDS} ms`, AGAIN_AFTER_SECONDS);
  };
  const spendChars = (chars: number): void => spend(chars / CHARS_PER_STEP);

  const spendWriting = (value: Value): Extent => {
    let chars = 0;
    let nodes = 0;
    let deepest = 0;
    const visit = (part: Value, depth: number): void => {
      if (depth > MAX_DEPTH) throw overrun(`data nested deeper than ${MAX_DEPTH}`);
      deepest = Math.max(deepest, depth);
      nodes++;
      spend(1);
      const text = textOf(part);
      if (text !== undefined) {
        spendChars(text.length);
        chars += text.length;
        return;
      }
      const items = itemsOf(part);
      if (items !== undefined) {
        for (const item of items) visit(item, depth + 1);
        return;
      }
      const entries = entriesOf(part);
      if (entries !== undefined) {
        for (const [key, item] of entries) {
          chars += key.length;
          visit(item, depth + 1);
        }
        return;
      }
      if (part.type === "FunctionValue") throw templateFailed("it writes out a function");
      chars += LONGEST_NUMBER;
    };
    visit(value, 0);
    return { chars, nodes, depth: deepest };
  };

  return {
    spend,
    spendChars,
    spendSearch: (hay, needle) => spend((hay * (needle + 1)) / COMPARISONS_PER_STEP),
    spendWriting,
  };
}

/** `-1.7976931348623157e+308` */
const LONGEST_NUMBER = 24;

/** Throws unless a text of `chars` characters may be made. */
export function checkText(chars: number): void {
  if (!(chars <= MAX_TEXT_CHARS)) throw overrun(`a text above ${MAX_TEXT_CHARS} characters`);
}

/** Throws unless a list of `items` items may be made. */
export function checkItems(items: number): void {
  if (!(items <= MAX_ITEMS)) throw overrun(`a list above ${MAX_ITEMS} items`);
}

/**
 * The template went over its budget.
 *
 * @param retryAfterSeconds When it might not; absent: always.
 */
export function overrun(what: string, retryAfterSeconds?: number): RuntimeError {
  return new RuntimeError(
    "TEMPLATE_FAILED",
    `Cannot render the chat template: it takes ${what}; send fewer or shorter messages and tools, or load the model with another template`,
    retryAfterSeconds === undefined ? {} : { retryAfterSeconds },
  );
}

/** The template cannot be used, or not on these messages. */
export function templateFailed(why: string, cause?: unknown): RuntimeError {
  return new RuntimeError(
    "TEMPLATE_FAILED",
    `Cannot render the chat template: ${why.slice(0, MAX_REASON_CHARS)}`,
    cause === undefined ? {} : { cause },
  );
}

/** A template chooses the words it refuses with; an error message is no place for a novel. */
const MAX_REASON_CHARS = 500;
