/** Draws expressions over bytes, and checks what has been drawn. */
import { type CharSet, utf8Ranges } from "./chars.ts";
import type { Expression, Graph, Rule } from "./expression.ts";
import { analyse } from "./analyse.ts";
import { CALL, FIRST_CONTROL, type Grammar, NOTHING } from "./grammar.ts";
import { MAX_EDGES, MAX_STATES } from "./limits.ts";
import { malformed, tooLarge } from "./problem.ts";

/** Edges as they are drawn, by the state that they leave. */
interface Edges {
  readonly from: number[];
  readonly low: number[];
  readonly high: number[];
  readonly to: number[];
}

/** The label of a control token that no edge names: behind all named ones, whose number is not known yet. */
const OTHER = Number.MAX_SAFE_INTEGER;

/**
 * The grammar of an expression. Throws `INVALID_REQUEST` naming `param` where it is too large, where no text fits it
 * and where a rule begins with itself.
 */
export function buildGrammar(key: string, expression: Expression, param: string): Grammar {
  const edges: Edges = { from: [], low: [], high: [], to: [] };
  const starts = new Map<Rule, number>();
  const waiting: Rule[] = [];
  const finals: number[] = [];
  const controls: number[] = [];
  let states = 0;

  function state(): number {
    if (states === MAX_STATES) throw tooLarge(param, "states", MAX_STATES);
    return states++;
  }

  function edge(from: number, low: number, high: number, to: number): void {
    if (edges.from.length === MAX_EDGES) throw tooLarge(param, "edges", MAX_EDGES);
    edges.from.push(from);
    edges.low.push(low);
    edges.high.push(high);
    edges.to.push(to);
  }

  /** Spellings that end alike share their ends. */
  function chars(from: number, set: CharSet, to: number): void {
    if (set.length > 0 && set.at(-1)![1] < 0x80) {
      for (const [first, last] of set) edge(from, first, last, to);
      return;
    }
    const ends = new Map<string, number>();
    for (const ranges of utf8Ranges(set)) {
      let target = to;
      let end = "";
      for (let i = ranges.length - 1; i > 0; i--) {
        const [low, high] = ranges[i]!;
        end = `${low}-${high} ${end}`;
        let before = ends.get(end);
        if (before === undefined) {
          before = state();
          ends.set(end, before);
          edge(before, low, high, target);
        }
        target = before;
      }
      edge(from, ranges[0]![0], ranges[0]![1], target);
    }
  }

  function startOf(rule: Rule): number {
    let start = starts.get(rule);
    if (start === undefined) {
      start = state();
      starts.set(rule, start);
      waiting.push(rule);
    }
    return start;
  }

  function labelOf(token: number | "other"): number {
    if (token === "other") return OTHER;
    const known = controls.indexOf(token);
    return FIRST_CONTROL + (known < 0 ? controls.push(token) - 1 : known);
  }

  const graph: Graph = {
    state,
    chars,
    nothing: (from, to) => edge(from, NOTHING, NOTHING, to),
    call: (from, rule, to) => edge(from, CALL, startOf(rule), to),
    control: (from, token, to) => edge(from, labelOf(token), labelOf(token), to),
  };
  const main: Rule = { expression: () => expression };
  const start = startOf(main);
  // A rule draws its expression when nobody is in the middle of another: rules may call themselves.
  for (let rule = waiting.pop(); rule !== undefined; rule = waiting.pop()) {
    const end = state();
    finals.push(end);
    rule.expression()(graph, starts.get(rule)!, end);
  }

  const drawn = sort(edges, states, FIRST_CONTROL + controls.length);
  const final = new Uint8Array(states);
  for (const end of finals) final[end] = 1;
  const rules = new Int32Array(starts.values());
  const problem = analyse({ ...drawn, final }, rules);
  if (problem.recursion) {
    throw malformed(param, "a rule begins with itself (left recursion); write it as a repetition");
  }
  if (problem.height[start]! < 0) throw malformed(param, "no text fits it");
  const { height, ending, endingDepth } = problem;
  return { key, ...drawn, final, height, ending, endingDepth, start, controls };
}

/** Edges in order of the states that they leave, and those behind which nothing happens made into tail calls. */
function sort(
  { from, low, high, to }: Edges,
  states: number,
  other: number,
): Pick<Grammar, "starts" | "low" | "high" | "to"> {
  const count = from.length;
  const starts = new Int32Array(states + 1);
  for (const state of from) starts[state + 1] = starts[state + 1]! + 1;
  for (let i = 0; i < states; i++) starts[i + 1] = starts[i + 1]! + starts[i]!;
  const next = starts.slice();
  const sorted = {
    starts,
    low: new Int32Array(count),
    high: new Int32Array(count),
    to: new Int32Array(count),
  };
  for (let i = 0; i < count; i++) {
    const at = next[from[i]!]!;
    next[from[i]!] = at + 1;
    sorted.low[at] = low[i] === OTHER ? other : low[i]!;
    sorted.high[at] = high[i] === OTHER ? other : high[i]!;
    sorted.to[at] = to[i]!;
  }
  return sorted;
}
