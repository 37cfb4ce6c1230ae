/** Graphs over characters: what constraints of a string become before they are put together. */
import { ANY_CHAR, type CharSet, charSet, charsOf, complement, intersect, unite } from "./chars.ts";
import type { Expression, Graph } from "./expression.ts";
import { MAX_COMPLEMENT_WORK, MAX_PRODUCT_STATES } from "./limits.ts";
import { tooLarge } from "./problem.ts";

/** A set of texts as a graph without silent edges; state 0 is where a text begins. */
export interface CharGraph {
  /** [states] the edges that leave each state. */
  readonly edges: readonly (readonly CharEdge[])[];
  /** [states] whether a text may end there. */
  readonly final: readonly boolean[];
}

const LAST_CHAR = ANY_CHAR.at(-1)![1];

interface CharEdge {
  readonly set: CharSet;
  readonly to: number;
}

/** The texts of an expression that calls no rules that call themselves. Throws naming `param` where there are too many states. */
export function drawChars(expression: Expression, param: string): CharGraph {
  const edges: CharEdge[][] = [];
  const silent: number[][] = [];
  const graph: Graph = {
    state() {
      if (edges.length === MAX_PRODUCT_STATES) throw tooLarge(param, "states", MAX_PRODUCT_STATES);
      silent.push([]);
      return edges.push([]) - 1;
    },
    chars: (from, set, to) => void edges[from]!.push({ set, to }),
    nothing: (from, to) => void silent[from]!.push(to),
    call: (from, rule, to) => rule.expression()(graph, from, to),
    control: () => {
      throw new Error("Cannot draw a control token among characters");
    },
  };
  const [start, end] = [graph.state(), graph.state()];
  expression(graph, start, end);

  const final: boolean[] = [];
  const heard = silent.map((_, state) => {
    const seen = new Set([state]);
    for (const one of seen) for (const next of silent[one]!) seen.add(next);
    final.push(seen.has(end));
    return [...seen].flatMap((one) => edges[one]!);
  });
  return { edges: heard, final };
}

/** The texts that are in both. Throws naming `param` where there are too many states. */
export function intersectGraphs(a: CharGraph, b: CharGraph, param: string): CharGraph {
  const numbers = new Map<number, number>();
  const pairs: (readonly [number, number])[] = [];
  const numberOf = (i: number, j: number): number => {
    const key = i * b.edges.length + j;
    let number = numbers.get(key);
    if (number === undefined) {
      number = pairs.push([i, j]) - 1;
      if (number === MAX_PRODUCT_STATES) throw tooLarge(param, "states", MAX_PRODUCT_STATES);
      numbers.set(key, number);
    }
    return number;
  };
  numberOf(0, 0);
  const edges: CharEdge[][] = [];
  for (const [i, j] of pairs) {
    const own: CharEdge[] = [];
    for (const left of a.edges[i]!) {
      for (const right of b.edges[j]!) {
        const set = intersect(left.set, right.set);
        if (set.length > 0) own.push({ set, to: numberOf(left.to, right.to) });
      }
    }
    edges.push(own);
  }
  return { edges, final: pairs.map(([i, j]) => a.final[i]! && b.final[j]!) };
}

/**
 * The texts that are not among those of a graph: its states taken together as far as the same text leads, and what
 * leads nowhere leads to all. Throws naming `param` where there are too many states.
 */
export function complementGraph({ edges, final }: CharGraph, param: string): CharGraph {
  const numbers = new Map<string, number>();
  const sums: (readonly number[])[] = [];
  let work = 0;
  const numberOf = (states: ReadonlySet<number>): number => {
    const sorted = [...states].toSorted((a, b) => a - b);
    const key = sorted.join();
    let number = numbers.get(key);
    if (number === undefined) {
      number = sums.push(sorted) - 1;
      if (number === MAX_PRODUCT_STATES) throw tooLarge(param, "states", MAX_PRODUCT_STATES);
      numbers.set(key, number);
    }
    return number;
  };
  numberOf(new Set([0]));
  const own: CharEdge[][] = [];
  for (const states of sums) {
    const leaving = states.flatMap((state) => edges[state]!);
    const targets = new Map<number, CharSet[]>();
    for (const part of pieces(leaving.map(({ set }) => set))) {
      work += leaving.length;
      if (work > MAX_COMPLEMENT_WORK) throw tooLarge(param, "steps", MAX_COMPLEMENT_WORK);
      const [from] = part[0]!;
      const reached = leaving.filter(({ set }) => holds(set, from)).map(({ to }) => to);
      const target = numberOf(new Set(reached));
      targets.set(target, [...(targets.get(target) ?? []), part]);
    }
    own.push([...targets].map(([to, sets]) => ({ set: unite(...sets), to })));
  }
  return { edges: own, final: sums.map((states) => !states.some((state) => final[state])) };
}

/** Sets into which all characters fall so that each of the given ones holds all of a piece or none. */
function pieces(sets: readonly CharSet[]): CharSet[] {
  const starts = new Set(ANY_CHAR.map(([from]) => from));
  for (const [from, to] of sets.flat()) starts.add(from).add(to + 1);
  const sorted = [...starts].toSorted((a, b) => a - b);
  return sorted
    .map((from, i) => charSet([from, (sorted[i + 1] ?? LAST_CHAR + 1) - 1]))
    .filter((set) => set.length > 0);
}

function holds(set: CharSet, point: number): boolean {
  return set.some(([from, to]) => from <= point && point <= to);
}

/** Whether a text is among those of a graph. */
export function hasText({ edges, final }: CharGraph, text: string): boolean {
  let at = new Set([0]);
  for (const char of text) {
    const point = char.codePointAt(0)!;
    const next = new Set<number>();
    for (const state of at) {
      for (const { set, to } of edges[state]!) if (holds(set, point)) next.add(to);
    }
    at = next;
  }
  return [...at].some((state) => final[state]);
}

/** The texts of `min` to `max` characters. Throws naming `param` where those are too many states. */
export function ofLength(min: number, max: number, param: string): CharGraph {
  const last = max === Infinity ? min : max;
  if (last >= MAX_PRODUCT_STATES) throw tooLarge(param, "states", MAX_PRODUCT_STATES);
  const edges: CharEdge[][] = [];
  const final: boolean[] = [];
  for (let count = 0; count <= last; count++) {
    final.push(count >= min);
    if (count < last) edges.push([{ set: ANY_CHAR, to: count + 1 }]);
    else edges.push(max === Infinity ? [{ set: ANY_CHAR, to: count }] : []);
  }
  return { edges, final };
}

/** All texts but these. */
export function otherThan(texts: readonly string[]): CharGraph {
  const edges: CharEdge[][] = [[{ set: ANY_CHAR, to: 0 }]];
  const final = [true];
  const FREE = 0;
  interface Node {
    readonly next: Map<string, Node>;
    named: boolean;
  }
  const root: Node = { next: new Map(), named: false };
  for (const text of texts) {
    let node = root;
    for (const char of text) {
      let next = node.next.get(char);
      if (next === undefined) node.next.set(char, (next = { next: new Map(), named: false }));
      node = next;
    }
    node.named = true;
  }
  const open: [Node, number][] = [];
  const add = (node: Node): number => {
    final.push(!node.named);
    const state = edges.push([]) - 1;
    open.push([node, state]);
    return state;
  };
  const start = add(root);
  for (let top = open.pop(); top !== undefined; top = open.pop()) {
    const [node, state] = top;
    const others = complement(charsOf([...node.next.keys()].join("")));
    edges[state]!.push({ set: others, to: FREE });
    for (const [char, next] of node.next) edges[state]!.push({ set: charsOf(char), to: add(next) });
  }
  // State 0 is where texts begin: swap it with the root's.
  const swap = (state: number): number => (state === FREE ? start : state === start ? FREE : state);
  const renamed = edges.map((own) => own.map(({ set, to }) => ({ set, to: swap(to) })));
  [renamed[FREE], renamed[start]] = [renamed[start]!, renamed[FREE]!];
  [final[FREE], final[start]] = [final[start]!, final[FREE]!];
  return { edges: renamed, final };
}

/** The graph as an expression, with each of its characters spelled by `spell`. */
export function spelled(
  { edges, final }: CharGraph,
  spell: (set: CharSet) => Expression,
): Expression {
  return (graph, from, to) => {
    const states = edges.map(() => graph.state());
    graph.nothing(from, states[0]!);
    for (const [state, own] of edges.entries()) {
      if (final[state] === true) graph.nothing(states[state]!, to);
      for (const edge of own) spell(edge.set)(graph, states[state]!, states[edge.to]!);
    }
  };
}
