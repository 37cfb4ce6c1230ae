/** How soon a text can end: what lets an answer be brought to an end before its tokens are used up. */
import type { Backwards, Drawn } from "./analyse.ts";
import { CALL, type Grammar, NO_ENDING } from "./grammar.ts";
import { MAX_ENDING } from "./limits.ts";

/**
 * The fewest bytes and control tokens from each state to an end of its rule, and how deep calls nest on that way.
 * Knuth's generalisation of Dijkstra's search: a call costs what its rule costs, and the cheapest states are settled
 * first. Linear in the number of edges.
 */
export function endingCosts(
  { low, high, to, final }: Drawn,
  { into, callers }: Backwards,
): Pick<Grammar, "ending" | "endingDepth"> {
  const states = final.length;
  const ending = new Uint16Array(states).fill(NO_ENDING);
  const endingDepth = new Uint8Array(states);
  /** States by what an ending costs, with the depth that it takes. */
  const levels: [state: number, depth: number][][] = [[]];
  for (let state = 0; state < states; state++) if (final[state] === 1) levels[0]!.push([state, 0]);

  const reach = (edge: number, source: number): void => {
    const after = ending[to[edge]!]!;
    if (ending[source] !== NO_ENDING || after === NO_ENDING) return;
    let cost = after + (low[edge]! >= 0 ? 1 : 0);
    let depth = endingDepth[to[edge]!]!;
    if (low[edge] === CALL) {
      const called = ending[high[edge]!]!;
      if (called === NO_ENDING) return;
      cost += called;
      depth = Math.min(255, Math.max(depth, endingDepth[high[edge]!]! + 1));
    }
    if (cost <= MAX_ENDING) (levels[cost] ??= []).push([source, depth]);
  };
  for (let cost = 0; cost < levels.length; cost++) {
    const reached = levels[cost] ?? [];
    for (let top = reached.pop(); top !== undefined; top = reached.pop()) {
      const [state, depth] = top;
      if (ending[state] !== NO_ENDING) continue;
      ending[state] = cost;
      endingDepth[state] = depth;
      for (const { starts, edges, source } of [into, callers]) {
        for (let i = starts[state]!; i < starts[state + 1]!; i++) {
          reach(edges[i]!, source[edges[i]!]!);
        }
      }
    }
  }
  return { ending, endingDepth };
}
