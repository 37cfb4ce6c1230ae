import { expect, test } from "vitest";
import { createAutomaton, type Automaton, type State } from "../../../core/grammar/automaton.ts";
import { buildGrammar } from "../../../core/grammar/build.ts";
import { createEndings } from "../../../core/grammar/ending.ts";
import { parseGbnf } from "../../../core/grammar/gbnf.ts";
import type { Grammar } from "../../../core/grammar/grammar.ts";
import { parseRegex } from "../../../core/grammar/regex.ts";
import { schemaExpression } from "../../../core/grammar/json-schema/schema.ts";
import { isAllowed } from "../../../core/grammar/masks.ts";
import { tokenBytes } from "../../../core/grammar/token-bytes.ts";
import { indexTokens } from "../../../core/grammar/token-index.ts";
import { createRandom } from "../../fixtures/random.ts";
import { randomSchema } from "../../fixtures/random-schema.ts";
import { pieceTokenizer } from "../../fixtures/scripted-engine.ts";

/** Every byte, and some longer pieces. */
const index = indexTokens(
  tokenBytes(
    pieceTokenizer([
      ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
      ...["ab", "abc", "bc", '{"', '":', '"}', "ca", "cab", '","', "[]", "1}", "tr", "ue"].map(
        (text) => new TextEncoder().encode(text),
      ),
    ]),
  ),
);

/** The fewest bytes to an end, found by looking at all texts. */
function slowLeft(automaton: Automaton, from: State, most: number): number {
  const seen = new Set([from]);
  let reached = [from];
  for (let bytes = 0; bytes <= most; bytes++) {
    if (reached.some(({ accepts }) => accepts)) return bytes;
    const next: State[] = [];
    for (const state of reached) {
      for (let label = 0; label < state.next.length; label++) {
        const to = automaton.step(state, label);
        if (to === null || seen.has(to)) continue;
        seen.add(to);
        next.push(to);
      }
    }
    reached = next;
  }
  return Infinity;
}

/** The fewest tokens that spell a text, found by trying all. */
function slowCount(bytes: Uint8Array): number {
  const counts = [0];
  for (let end = 1; end <= bytes.length; end++) {
    counts[end] = Infinity;
    for (let token = 0; token < index.size; token++) {
      const own = index.bytes(token);
      const from = end - own.length;
      if (own.length === 0 || from < 0) continue;
      if (own.every((byte, i) => bytes[from + i] === byte)) {
        counts[end] = Math.min(counts[end]!, 1 + counts[from]!);
      }
    }
  }
  return counts[bytes.length]!;
}

/** Follow an ending by its longest tokens. */
function written(automaton: Automaton, from: State): Uint8Array {
  const bytes: number[] = [];
  const endings = createEndings(automaton, index);
  let at = from;
  while (!at.accepts) {
    const { longest } = endings.beginnings(at, Infinity);
    for (const byte of index.bytes(longest)) {
      bytes.push(byte);
      at = automaton.step(at, automaton.classes[byte]!)!;
    }
  }
  return Uint8Array.from(bytes);
}

function grammars(): Grammar[] {
  const random = createRandom(11);
  return [
    buildGrammar("", parseRegex("(abc|ca*b){2,4}x?", "p"), "p"),
    buildGrammar("", parseRegex("[^a]{3}|täglich", "p"), "p"),
    buildGrammar("", parseGbnf('root ::= "a" root "b" | "c" | "d" root root', "p"), "p"),
    ...Array.from({ length: 12 }, () =>
      buildGrammar("", schemaExpression(randomSchema(random), "p"), "p"),
    ),
  ];
}

test("the shortest ending of any place is found, and no shorter one is there", () => {
  const random = createRandom(3);
  let looked = 0;
  for (const grammar of grammars()) {
    const automaton = createAutomaton(grammar);
    const endings = createEndings(automaton, index);
    for (let walk = 0; walk < 4; walk++) {
      automaton.allow(Infinity);
      let state = automaton.begin(false);
      for (let step = 0; step < 12; step++) {
        const MOST = 7;
        const slow = slowLeft(automaton, state, MOST);
        if (slow <= MOST) expect(state.left).toBe(slow);
        else expect(state.left).toBeGreaterThan(MOST);
        const ending = written(automaton, state);
        expect(ending.length).toBe(state.left);
        expect(endings.count(state)).toBe(slowCount(ending));
        looked++;
        const labels = [...state.next.keys()].filter((one) => automaton.step(state, one) !== null);
        if (labels.length === 0) break;
        state = automaton.step(state, labels[random.int(0, labels.length - 1)]!)!;
      }
    }
  }
  expect(looked).toBeGreaterThan(300);
});

test("what an ending may begin with leaves time for the rest, to the token", () => {
  for (const grammar of grammars()) {
    const automaton = createAutomaton(grammar);
    const endings = createEndings(automaton, index);
    automaton.allow(Infinity);
    const state = automaton.begin(false);
    const count = endings.count(state);
    expect(endings.within(state, count)).toBe(true);
    if (count === 0) continue;
    expect(endings.within(state, count - 1)).toBe(false);
    const { mask, longest } = endings.beginnings(state, count);
    expect(isAllowed(mask, longest)).toBe(true);
    for (let token = 0; token < index.size; token++) {
      if (!isAllowed(mask, token)) continue;
      let at = state;
      for (const byte of index.bytes(token)) at = automaton.step(at, automaton.classes[byte]!)!;
      expect(endings.within(at, count - 1)).toBe(true);
    }
    expect(endings.beginnings(state, count - 1).longest).toBe(-1);
  }
});

test("an ending nests no deeper than texts may", () => {
  // The shortest ending from inside of `x` nests once more for each; beyond the depth there is only the long one.
  const grammar = buildGrammar(
    "",
    parseGbnf(
      'root ::= "x" inner "y"\ninner ::= "x" inner "y" | deep | "long enough"\ndeep ::= "a"',
      "p",
    ),
    "p",
  );
  const automaton = createAutomaton(grammar);
  automaton.allow(Infinity);
  let state: State | null = automaton.begin(false);
  let depth = 0;
  for (; state !== null; depth++) {
    if (state.left < Infinity) expect(written(automaton, state).length).toBe(state.left);
    state = automaton.step(state, automaton.classes[0x78]!);
  }
  expect(depth).toBeGreaterThan(150);
});
