import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createStopMatcher } from "../../../core/answer/stop.ts";

/** The definition, on the whole text: the earliest end wins, then the longest stop. */
function reference(text: string, stops: readonly string[]): { text: string; stop?: string } {
  for (let end = 1; end <= text.length; end++) {
    const found = stops.filter((stop) => text.slice(0, end).endsWith(stop));
    const [stop] = found.toSorted((a, b) => b.length - a.length);
    if (stop !== undefined) return { text: text.slice(0, end - stop.length), stop };
  }
  return { text };
}

function run(pieces: readonly string[], stops: readonly string[]): { text: string; stop?: string } {
  const matcher = createStopMatcher(stops);
  let text = "";
  for (const piece of pieces) {
    const released = matcher.push(piece);
    text += released.text;
    if (released.stop !== undefined) return { text, stop: released.stop };
  }
  return { text: text + matcher.end() };
}

// Three letters, so that stops overlap, repeat themselves and nearly match all the time.
const letters = fc.string({ unit: fc.constantFrom("a", "b", "c") });

test("createStopMatcher gives what a search of the whole text gives, however the text is cut", () => {
  const stops = fc.array(
    fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 5 }),
    {
      maxLength: 6,
    },
  );
  fc.assert(
    fc.property(fc.array(letters), stops, (pieces, list) => {
      expect(run(pieces, list)).toEqual(reference(pieces.join(""), list));
    }),
    { numRuns: 5000 },
  );
});

test("createStopMatcher releases text as soon as no stop can begin in it", () => {
  const matcher = createStopMatcher(["END", "never"]);
  expect(matcher.push("on")).toEqual({ text: "o" });
  expect(matcher.push("ce E")).toEqual({ text: "nce " });
  expect(matcher.push("N")).toEqual({ text: "" });
  expect(matcher.push("T")).toEqual({ text: "ENT" });
});

test("createStopMatcher takes the longest of the stops that end at the same character", () => {
  expect(run(["xa", "b!"], ["b", "ab"])).toEqual({ text: "x", stop: "ab" });
});

test("createStopMatcher is linear in the text for many stops that nearly match", () => {
  const stops = Array.from({ length: 16 }, (_, i) => `${"a".repeat(240 + i)}b`);
  const milliseconds = (length: number) => {
    const piece = "a".repeat(length);
    const begin = performance.now();
    expect(run([piece], stops).text).toBe(piece);
    return performance.now() - begin;
  };
  // Four times the text takes about four times as long; a quadratic search would take sixteen.
  const best = (length: number) => Math.min(...[0, 1, 2].map(() => milliseconds(length)));
  expect(best(800_000) / Math.max(best(200_000), 1)).toBeLessThan(12);
});

test("createStopMatcher refuses an empty stop string", () => {
  expect(() => createStopMatcher(["a", ""])).toThrow(RangeError);
});
