import { assert, constantFrom, nat, property, string, tuple, uniqueArray } from "fast-check";
import { expect, test } from "vitest";
import { createMerger } from "../../../core/tokenizer/merge.ts";

/** Look at every pair, join the best, begin again. */
function slowMerge(text: string, ranks: ReadonlyMap<string, number>): string[] {
  const symbols = Array.from(text);
  for (;;) {
    let best = -1;
    let bestRank = Number.POSITIVE_INFINITY;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const rank = ranks.get(symbols[i]! + symbols[i + 1]!);
      if (rank !== undefined && rank < bestRank) {
        best = i;
        bestRank = rank;
      }
    }
    if (best < 0) return symbols;
    symbols.splice(best, 2, symbols[best]! + symbols[best + 1]!);
  }
}

test("merge joins the best pair first and the leftmost of equals, as looking at every pair does", () => {
  const merger = createMerger();
  const word = string({ unit: constantFrom("a", "b", "c"), maxLength: 40 });
  const piece = string({ unit: constantFrom("a", "b", "c"), minLength: 2, maxLength: 6 });
  assert(
    property(
      word,
      uniqueArray(tuple(piece, nat(8)), { selector: ([text]) => text, maxLength: 40 }),
      (text, entries) => {
        const ranks = new Map(entries);
        const next = merger.merge(text.length, {
          rank: (left, _right, end) => ranks.get(text.slice(left, end)) ?? -1,
          joined() {},
        });
        const symbols: string[] = [];
        for (let i = 0; i < text.length; i = next[i]!) symbols.push(text.slice(i, next[i]));
        expect(symbols).toEqual(slowMerge(text, ranks));
      },
    ),
    { numRuns: 2000 },
  );
});
