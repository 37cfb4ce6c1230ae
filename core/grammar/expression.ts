/**
 * How grammars are written down here: an expression draws itself between two states of a graph. Regular expressions,
 * llama.cpp's grammars and JSON Schemas all become expressions.
 */
import { type CharSet, charSet } from "./chars.ts";

/** Where expressions are drawn. */
export interface Graph {
  /** A new state. Throws where there are too many. */
  state(): number;
  /** One character of a set. */
  chars(from: number, set: CharSet, to: number): void;
  /** Nothing. */
  nothing(from: number, to: number): void;
  /** A text of the rule; its expression is asked for once, however often it is called. */
  call(from: number, rule: Rule, to: number): void;
  /** A control token of the vocabulary, or any of those that are not named. */
  control(from: number, token: number | "other", to: number): void;
}

/** An expression that many places share, its own included: recursion goes through rules. */
export interface Rule {
  readonly expression: () => Expression;
}

/** Draws all its texts as paths from one state to another. It adds no edges into `from` nor out of `to`. */
export type Expression = (graph: Graph, from: number, to: number) => void;

/** The empty text. */
export const EMPTY: Expression = (graph, from, to) => graph.nothing(from, to);

/** No text at all. */
export const NEVER: Expression = () => {};

/** One character. */
export function oneOf(set: CharSet): Expression {
  return (graph, from, to) => graph.chars(from, set, to);
}

/** A text as it stands. */
export function literal(text: string): Expression {
  const points = Array.from(text, (char) => char.codePointAt(0)!);
  return seq(...points.map((point) => oneOf(charSet([point, point]))));
}

/** One after the other. */
export function seq(...parts: readonly Expression[]): Expression {
  if (parts.length === 0) return EMPTY;
  return (graph, from, to) => {
    let at = from;
    for (const [i, part] of parts.entries()) {
      const next = i === parts.length - 1 ? to : graph.state();
      part(graph, at, next);
      at = next;
    }
  };
}

/** Any one of them. */
export function choice(...parts: readonly Expression[]): Expression {
  return (graph, from, to) => {
    for (const part of parts) part(graph, from, to);
  };
}

/** It or nothing. */
export function optional(part: Expression): Expression {
  return choice(EMPTY, part);
}

/** From `min` to `max` times. Each time has its own states, so that bounds cost what they count. */
export function repeat(part: Expression, min: number, max: number = Infinity): Expression {
  return (graph, from, to) => {
    let at = from;
    for (let i = 0; i < min; i++) {
      const next = graph.state();
      part(graph, at, next);
      at = next;
    }
    if (max === Infinity) {
      const loop = graph.state();
      graph.nothing(at, loop);
      const back = graph.state();
      part(graph, loop, back);
      graph.nothing(back, loop);
      graph.nothing(loop, to);
      return;
    }
    for (let i = min; i < max; i++) {
      graph.nothing(at, to);
      const next = graph.state();
      part(graph, at, next);
      at = next;
    }
    graph.nothing(at, to);
  };
}

/** A rule's text. */
export function call(rule: Rule): Expression {
  return (graph, from, to) => graph.call(from, rule, to);
}

/** An expression of its own that is drawn once. */
export function shared(expression: Expression): Expression {
  return call({ expression: () => expression });
}

/** One of several texts, their common beginnings drawn once; thousands are no problem. */
export function anyLiteral(texts: Iterable<string>): Expression {
  interface Node {
    readonly next: Map<number, Node>;
    ends: boolean;
  }
  const root: Node = { next: new Map(), ends: false };
  for (const text of texts) {
    let node = root;
    for (const char of text) {
      const point = char.codePointAt(0)!;
      let next = node.next.get(point);
      if (next === undefined) node.next.set(point, (next = { next: new Map(), ends: false }));
      node = next;
    }
    node.ends = true;
  }
  return (graph, from, to) => {
    // By a list and not by recursion: a text may be as long as a schema.
    const open: [Node, number][] = [[root, from]];
    for (let top = open.pop(); top !== undefined; top = open.pop()) {
      const [node, at] = top;
      if (node.ends) graph.nothing(at, to);
      for (const [point, next] of node.next) {
        const set = charSet([point, point]);
        if (next.next.size === 0) {
          graph.chars(at, set, to);
          continue;
        }
        const state = graph.state();
        graph.chars(at, set, state);
        open.push([next, state]);
      }
    }
  };
}
