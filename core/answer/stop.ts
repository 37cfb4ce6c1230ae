/** Finds stop strings in text that arrives in pieces. */
export interface StopMatcher {
  /** Take the next piece. Once `stop` has been returned, the matcher is spent. */
  push(text: string): StopResult;
  /** The text still held back, for when no more will come. */
  end(): string;
}

/** What a piece of text released. */
export interface StopResult {
  /** Text that can no longer become part of a stop string. */
  readonly text: string;
  /** The stop string that was found; `text` ends right before it. */
  readonly stop?: string;
}

/**
 * A matcher for any of `stops`, none of them empty.
 *
 * The stop string whose last character comes first wins; of several that end there, the longest. So
 * the result depends on the text alone and not on how it was cut. One pass over the text however many
 * stops there are (Aho and Corasick 1975): the depth of the automaton's state is the length of the
 * longest tail of the text that begins some stop, which is exactly what must be held back.
 */
export function createStopMatcher(stops: readonly string[]): StopMatcher {
  if (stops.includes("")) throw new RangeError("Cannot match an empty stop string: remove it");
  if (stops.length === 0) return { push: (text) => ({ text }), end: () => "" };
  const automaton = build(stops);
  let state = 0;
  let held = "";

  return {
    push(piece: string): StopResult {
      const text = held + piece;
      for (let i = held.length; i < text.length; i++) {
        state = automaton.next(state, text.charCodeAt(i));
        const stop = automaton.found[state];
        if (stop !== undefined) {
          held = "";
          return { text: text.slice(0, i + 1 - stop.length), stop };
        }
      }
      const free = text.length - automaton.depth[state]!;
      held = text.slice(free);
      return { text: text.slice(0, free) };
    },
    end(): string {
      const rest = held;
      held = "";
      state = 0;
      return rest;
    },
  };
}

interface Automaton {
  next(state: number, unit: number): number;
  /** Characters of the stop strings that a state stands for. */
  readonly depth: readonly number[];
  /** The longest stop string that ends in a state. */
  readonly found: readonly (string | undefined)[];
}

function build(stops: readonly string[]): Automaton {
  /** Edges of the trie: state × 65536 + UTF-16 unit → state. */
  const edges = new Map<number, number>();
  const depth = [0];
  const found: (string | undefined)[] = [undefined];
  const parent = [0];
  const unitOf = [0];
  for (const stop of stops) {
    let state = 0;
    for (let i = 0; i < stop.length; i++) {
      const edge = state * 0x10000 + stop.charCodeAt(i);
      let child = edges.get(edge);
      if (child === undefined) {
        child = depth.length;
        edges.set(edge, child);
        depth.push(i + 1);
        found.push(undefined);
        parent.push(state);
        unitOf.push(stop.charCodeAt(i));
      }
      state = child;
    }
    found[state] = stop;
  }

  /** The longest proper tail of a state that is a state too. */
  const fallback: number[] = Array.from(depth, () => 0);
  const next = (from: number, unit: number): number => {
    let state = from;
    for (;;) {
      const child = edges.get(state * 0x10000 + unit);
      if (child !== undefined) return child;
      if (state === 0) return 0;
      state = fallback[state]!;
    }
  };
  // Shallow states first: a fallback is always shallower than its state.
  const order = Array.from(depth.keys()).toSorted((a, b) => depth[a]! - depth[b]!);
  for (const state of order) {
    if (depth[state]! < 2) continue;
    fallback[state] = next(fallback[parent[state]!]!, unitOf[state]!);
    found[state] ??= found[fallback[state]];
  }
  return { next, depth, found };
}
