/** What can be known of a drawn grammar before any text: whether rules come to an end, and without themselves. */
import { endingCosts } from "./ending-cost.ts";
import { CALL, type Grammar, NOTHING } from "./grammar.ts";

/** Edges and ends, as drawn. */
export type Drawn = Pick<Grammar, "starts" | "low" | "high" | "to" | "final">;

/** What was found. Calls with nothing after them have become tail calls in what was given. */
export interface Analysis {
  /** See {@linkcode Grammar.height}. */
  readonly height: Int32Array;
  /** See {@linkcode Grammar.ending}. */
  readonly ending: Uint16Array;
  /** See {@linkcode Grammar.endingDepth}. */
  readonly endingDepth: Uint8Array;
  /** Whether a rule can call itself before anything was read: an endless descent. */
  readonly recursion: boolean;
}

/** Analyse rules that begin in the states `rules`. Linear in the number of edges. */
export function analyse(drawn: Drawn, rules: Int32Array): Analysis {
  const backwards = reversed(drawn);
  const height = heights(drawn, backwards, () => true);
  const silent = heights(drawn, backwards, (label) => label < 0);
  const recursion = isLeftRecursive(drawn, rules, silent);
  const endings = endingCosts(drawn, backwards);
  markTailCalls(drawn);
  return { height, recursion, ...endings };
}

/**
 * The least depth of calls on a path from each state to an end of its rule, along edges with such labels; -1 where
 * there is none. A shortest-path search backwards from the ends, a call costing one more than what it calls.
 */
function heights(
  { low, high, to, final }: Drawn,
  { into, callers }: Backwards,
  passable: (label: number) => boolean,
): Int32Array {
  const states = final.length;
  const height = new Int32Array(states).fill(-1);
  const levels: number[][] = [[]];
  for (let state = 0; state < states; state++) if (final[state] === 1) levels[0]!.push(state);

  const reach = (edge: number): void => {
    const label = low[edge]!;
    const after = height[to[edge]!]!;
    if (after < 0 || !passable(label)) return;
    let level = after;
    if (label === CALL) {
      const called = height[high[edge]!]!;
      if (called < 0) return;
      level = Math.max(after, called + 1);
    }
    if (height[into.source[edge]!]! < 0) (levels[level] ??= []).push(into.source[edge]!);
  };
  for (let level = 0; level < levels.length; level++) {
    const reached = (levels[level] ??= []);
    for (let state = reached.pop(); state !== undefined; state = reached.pop()) {
      if (height[state]! >= 0) continue;
      height[state] = level;
      for (let i = into.starts[state]!; i < into.starts[state + 1]!; i++) reach(into.edges[i]!);
      for (let i = callers.starts[state]!; i < callers.starts[state + 1]!; i++) {
        reach(callers.edges[i]!);
      }
    }
  }
  return height;
}

/** A graph's edges by where they lead, and its calls by whom they call. */
export interface Backwards {
  readonly into: Reversed;
  readonly callers: Reversed;
}

function reversed({ starts, low, high, to, final }: Drawn): Backwards {
  const states = final.length;
  return {
    into: reverse(starts, to, states),
    callers: reverse(starts, high, states, (edge) => low[edge] === CALL),
  };
}

interface Reversed {
  readonly starts: Int32Array;
  /** Edges by the state at their other end. */
  readonly edges: Int32Array;
  /** The state that each edge leaves. */
  readonly source: Int32Array;
}

function reverse(
  starts: Int32Array,
  ends: Int32Array,
  states: number,
  counts: (edge: number) => boolean = () => true,
): Reversed {
  const firsts = new Int32Array(states + 1);
  const source = new Int32Array(ends.length);
  for (let state = 0; state < states; state++) {
    for (let edge = starts[state]!; edge < starts[state + 1]!; edge++) {
      source[edge] = state;
      if (counts(edge)) firsts[ends[edge]! + 1] = firsts[ends[edge]! + 1]! + 1;
    }
  }
  for (let i = 0; i < states; i++) firsts[i + 1] = firsts[i + 1]! + firsts[i]!;
  const next = firsts.slice();
  const edges = new Int32Array(firsts[states]!);
  for (let edge = 0; edge < ends.length; edge++) {
    if (!counts(edge)) continue;
    const end = ends[edge]!;
    edges[next[end]!] = edge;
    next[end] = next[end]! + 1;
  }
  return { starts: firsts, edges, source };
}

/** Whether rules call one another in a circle before they read anything. */
function isLeftRecursive(
  { starts, low, high, to }: Drawn,
  rules: Int32Array,
  silent: Int32Array,
): boolean {
  const NEW = 0;
  const OPEN = 1;
  const DONE = 2;
  const colour = new Uint8Array(silent.length);
  // Walking through states instead of rules finds circles of silent edges within a rule as well, which are
  // harmless: repetitions of what may be empty. So only calls open a rule, and states are marked per rule.
  for (const first of rules) {
    if (colour[first] !== NEW) continue;
    const path: { readonly rule: number; readonly calls: number[] }[] = [];
    const open = (rule: number): void => {
      colour[rule] = OPEN;
      path.push({ rule, calls: leftCalls(rule) });
    };
    open(first);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const called = top.calls.pop();
      if (called === undefined) {
        colour[top.rule] = DONE;
        path.pop();
      } else if (colour[called] === OPEN) {
        return true;
      } else if (colour[called] === NEW) {
        open(called);
      }
    }
  }
  return false;

  function leftCalls(rule: number): number[] {
    const calls = new Set<number>();
    const seen = new Set([rule]);
    for (const state of seen) {
      for (let edge = starts[state]!; edge < starts[state + 1]!; edge++) {
        if (low[edge] === NOTHING) {
          seen.add(to[edge]!);
        } else if (low[edge] === CALL) {
          calls.add(high[edge]!);
          if (silent[high[edge]!]! >= 0) seen.add(to[edge]!);
        }
      }
    }
    return [...calls];
  }
}

/** A call that ends its rule need not come back: right recursion then takes no room. */
function markTailCalls({ starts, low, to, final }: Drawn): void {
  const endsRule = (state: number): boolean => {
    let at = state;
    while (final[at] === 0) {
      const edge = starts[at]!;
      if (starts[at + 1]! - edge !== 1 || low[edge] !== NOTHING) return false;
      at = to[edge]!;
    }
    return starts[at] === starts[at + 1];
  };
  for (let edge = 0; edge < to.length; edge++) {
    if (low[edge] === CALL && endsRule(to[edge]!)) to[edge] = -1;
  }
}
