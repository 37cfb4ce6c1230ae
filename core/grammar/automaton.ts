/**
 * A grammar as an automaton over bytes whose states are made when a text first reaches them.
 *
 * A place in a text is a set of items: a state of the grammar's graph, and the stack of places to go back to once
 * its rule ends. Equal sets are one object, so that what is found out about one (where each byte leads, which tokens
 * fit) is found out once. Every item can be brought to an end within {@linkcode MAX_CALL_DEPTH} calls, so a state that
 * exists has a continuation: no text that was let in leads into a dead end.
 */
import { RuntimeError } from "../errors.ts";
import { CALL, FIRST_CONTROL, type Grammar, NO_ENDING, NOTHING } from "./grammar.ts";
import {
  MAX_CALL_DEPTH,
  MAX_KEPT_ITEMS,
  MAX_KEPT_STATES,
  MAX_MASK_WORK,
  MAX_OPEN_ITEMS,
} from "./limits.ts";

/** A place in a text. */
export interface State {
  /** Whether the text may end here. */
  readonly accepts: boolean;
  /** Whether it has to: nothing can follow. */
  readonly ends: boolean;
  /** [classes] where the bytes of each class lead, `null` for nowhere, `undefined` where that is not known yet. */
  readonly next: (State | null | undefined)[];
  /** Places of which this one is the sum. */
  readonly items: readonly Item[];
  /** The fewest bytes and control tokens to an end, `Infinity` where they are not known; see {@linkcode Automaton.towardsEnd}. */
  readonly left: number;
  /** Behind a blank is this state; see {@linkcode Automaton.begin}. */
  readonly afterBlank?: State;
  /** Tokens that may follow, once asked for. */
  mask: Uint32Array | undefined;
  /** What is known of plain characters after this state, see `lookahead.ts`. */
  plain: PlainFacts | undefined;
}

/** See `lookahead.ts`. */
export interface PlainFacts {
  readonly targets: readonly State[];
  readonly allFit: boolean;
  /** Bounds of the number of characters that always fit, and that can fit. */
  always: number;
  alwaysEnd: number;
  most: number;
  mostEnd: number;
}

interface Item {
  readonly id: number;
  readonly state: number;
  readonly stack: Stack;
  /** Where it gets to without reading anything. */
  closure: Closure | undefined;
}

interface Stack {
  readonly id: number;
  /** The state to go on from. */
  readonly back: number;
  readonly below: Stack | undefined;
  readonly depth: number;
  /** The fewest bytes and control tokens that all of it takes. */
  readonly left: number;
}

interface Closure {
  readonly items: readonly Item[];
  readonly accepts: boolean;
}

/** A grammar at work. */
export interface Automaton {
  /**
   * The state before the first byte. Where `blank`, decoding takes one blank away from the beginning of the text, so
   * one more may be there.
   */
  begin(blank: boolean): State;
  /** The state behind a class of bytes or a control token, `null` where that does not fit. */
  step(state: State, label: number): State | null;
  /** The byte or label of a control token with which the shortest way to an end goes on, where `left` is known. */
  towardsEnd(state: State): number;
  /** [256 + controls + 1] the class of each byte and control label. */
  readonly classes: Uint16Array;
  /** Control tokens with labels of their own, from {@linkcode FIRST_CONTROL} on; the last label is all others. */
  readonly controls: readonly number[];
  /** Allow so much work from now on; to do more throws `INVALID_REQUEST`. */
  allow(work?: number): void;
  /** Called when all states have been forgotten. */
  onForget: () => void;
}

/** Keys of pairs of numbers: states are fewer than this, ids stay exact up to 2^53. */
const PAIR = 2 ** 20;
const BLANK = 0x20;

/** An automaton of a grammar; states are its own. */
export function createAutomaton(grammar: Grammar): Automaton {
  const { starts, low, high, to, final, height, ending, endingDepth } = grammar;
  const { classes, samples } = classify(grammar);
  const unknown = samples.map((): State | null | undefined => undefined);
  let ids = 0;
  let kept = 0;
  let work = 0;
  let items = new Map<number, Item>();
  let stacks = new Map<number, Stack>();
  let states = new Map<string, State>();
  const bottom: Stack = { id: 0, back: -1, below: undefined, depth: 0, left: 0 };
  let first: State | undefined;
  let firstBlank: State | undefined;

  function spend(amount: number): void {
    work -= amount;
    if (work < 0) throw ambiguous();
  }

  function item(state: number, stack: Stack): Item {
    const key = stack.id * PAIR + state;
    let found = items.get(key);
    if (found === undefined) {
      found = { id: ++ids, state, stack, closure: undefined };
      items.set(key, found);
    }
    return found;
  }

  function push(below: Stack, back: number): Stack {
    const key = below.id * PAIR + back;
    let found = stacks.get(key);
    if (found === undefined) {
      found = { id: ++ids, back, below, depth: below.depth + 1, left: leftOf(back, below) };
      stacks.set(key, found);
    }
    return found;
  }

  /** Whether the text can still be brought to an end from such an item. */
  function isAlive(state: number, stack: Stack): boolean {
    return height[state]! >= 0 && stack.depth + height[state]! <= MAX_CALL_DEPTH;
  }

  /** The fewest bytes and control tokens from there to the end of the text. */
  function leftOf(state: number, stack: Stack): number {
    const own = ending[state]!;
    if (own === NO_ENDING || stack.depth + endingDepth[state]! > MAX_CALL_DEPTH) return Infinity;
    return own + stack.left;
  }

  function close(start: Item): Closure {
    if (start.closure !== undefined) return start.closure;
    const seen = new Set([start]);
    const ready: Item[] = [];
    let accepts = false;
    const visit = (state: number, stack: Stack): void => {
      if (isAlive(state, stack)) seen.add(item(state, stack));
    };
    for (const { state, stack } of seen) {
      if (seen.size > MAX_OPEN_ITEMS) throw ambiguous();
      const end = starts[state + 1]!;
      spend(1 + end - starts[state]!);
      let reads = false;
      for (let edge = starts[state]!; edge < end; edge++) {
        if (low[edge]! >= 0) reads = true;
        else if (low[edge] === NOTHING) visit(to[edge]!, stack);
        else if (to[edge]! < 0) visit(high[edge]!, stack);
        else if (isAlive(to[edge]!, stack)) visit(high[edge]!, push(stack, to[edge]!));
      }
      if (reads) ready.push(item(state, stack));
      if (final[state] === 1) {
        if (stack.below === undefined) accepts = true;
        else visit(stack.back, stack.below);
      }
    }
    start.closure = { items: ready, accepts };
    return start.closure;
  }

  /** The one object for the sum of these places. */
  function stateOf(heads: readonly Item[]): State {
    const all = new Set<Item>();
    let accepts = false;
    for (const head of heads) {
      const closure = close(head);
      accepts ||= closure.accepts;
      for (const one of closure.items) all.add(one);
      if (all.size > MAX_OPEN_ITEMS) throw ambiguous();
      spend(closure.items.length);
    }
    const sorted = [...all].toSorted((a, b) => a.id - b.id);
    const key = `${accepts ? "!" : ""}${sorted.map(({ id }) => id).join()}`;
    let found = states.get(key);
    if (found === undefined) {
      found = createState(sorted, accepts);
      states.set(key, found);
      kept++;
    }
    return found;
  }

  function createState(sorted: readonly Item[], accepts: boolean, afterBlank?: State): State {
    return {
      accepts,
      ends: sorted.length === 0,
      next: unknown.slice(),
      items: sorted,
      left: accepts ? 0 : Math.min(...sorted.map((one) => leftOf(one.state, one.stack))),
      mask: undefined,
      plain: undefined,
      ...(afterBlank === undefined ? {} : { afterBlank }),
    };
  }

  function step(state: State, label: number): State | null {
    const known = state.next[label];
    if (known !== undefined) return known;
    const sample = samples[label]!;
    if (sample === BLANK && state.afterBlank !== undefined) {
      return (state.next[label] = state.afterBlank);
    }
    const heads: Item[] = [];
    for (const { state: at, stack } of state.items) {
      const end = starts[at + 1]!;
      spend(end - starts[at]!);
      for (let edge = starts[at]!; edge < end; edge++) {
        if (low[edge]! > sample || high[edge]! < sample || low[edge]! < 0) continue;
        if (isAlive(to[edge]!, stack)) heads.push(item(to[edge]!, stack));
      }
    }
    return (state.next[label] = heads.length === 0 ? null : stateOf(heads));
  }

  function towardsEnd(state: State): number {
    let best = -1;
    let least = Infinity;
    for (const { state: at, stack } of state.items) {
      const end = starts[at + 1]!;
      spend(end - starts[at]!);
      for (let edge = starts[at]!; edge < end; edge++) {
        if (low[edge]! < 0) continue;
        const left = leftOf(to[edge]!, stack);
        // Of equally short ones the first byte, so that the way does not depend on what was asked before.
        if (left > least || left === Infinity || (left === least && low[edge]! >= best)) continue;
        least = left;
        best = low[edge]!;
      }
    }
    return best;
  }

  function forget(): void {
    items = new Map();
    stacks = new Map();
    states = new Map();
    first = firstBlank = undefined;
    kept = 0;
    automaton.onForget();
  }

  const automaton: Automaton = {
    begin(blank) {
      first ??= stateOf([item(grammar.start, bottom)]);
      if (!blank) return first;
      return (firstBlank ??= createState(first.items, first.accepts, first));
    },
    step,
    towardsEnd,
    classes,
    controls: grammar.controls,
    allow(amount = MAX_MASK_WORK) {
      // Whoever is in the middle of a text keeps its state; it only finds things out anew.
      if (kept > MAX_KEPT_STATES || items.size > MAX_KEPT_ITEMS) forget();
      work = amount;
    },
    onForget: () => {},
  };
  return automaton;
}

/** Bytes that no edge tells apart are one class; `samples` has a label of each class. */
function classify({ low, high, controls }: Grammar): { classes: Uint16Array; samples: number[] } {
  const labels = FIRST_CONTROL + controls.length + 1;
  const begins = new Uint8Array(labels + 1);
  begins[0] = begins[BLANK] = begins[BLANK + 1] = begins[0x80] = 1;
  for (let label = FIRST_CONTROL; label < labels; label++) begins[label] = 1;
  for (let edge = 0; edge < low.length; edge++) {
    if (low[edge] === NOTHING || low[edge] === CALL) continue;
    begins[low[edge]!] = 1;
    begins[high[edge]! + 1] = 1;
  }
  const classes = new Uint16Array(labels);
  const samples: number[] = [];
  for (let label = 0; label < labels; label++) {
    if (begins[label] === 1) samples.push(label);
    classes[label] = samples.length - 1;
  }
  return { classes, samples };
}

function ambiguous(): RuntimeError {
  return new RuntimeError(
    "INVALID_REQUEST",
    "Cannot follow the grammar: it leaves too many alternatives open at one place; make it less ambiguous",
  );
}
