import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { openGguf } from "../../../core/gguf/parse.ts";
import { bytesSource } from "../../../core/gguf/source.ts";
import { createAutomaton, type Automaton, type State } from "../../../core/grammar/automaton.ts";
import { buildGrammar } from "../../../core/grammar/build.ts";
import { compileFormat } from "../../../core/grammar/compile.ts";
import { FIRST_CONTROL, type Grammar } from "../../../core/grammar/grammar.ts";
import { parseGbnf } from "../../../core/grammar/gbnf.ts";
import { parseRegex } from "../../../core/grammar/regex.ts";
import { createMatchers } from "../../../core/grammar/matcher.ts";
import { createMasks, isAllowed } from "../../../core/grammar/masks.ts";
import { tokenBytes } from "../../../core/grammar/token-bytes.ts";
import { indexTokens } from "../../../core/grammar/token-index.ts";
import { createTokenizer } from "../../../core/tokenizer/create.ts";
import { DEMO_FILE } from "../../fixtures/demo.ts";
import { createRandom, type Random } from "../../fixtures/random.ts";
import { randomSchema, type Schema } from "../../fixtures/random-schema.ts";

const gguf = await openGguf(bytesSource(new Uint8Array(readFileSync(DEMO_FILE))));
const tokenizer = createTokenizer(gguf.metadata);
await gguf.close();
const vocabulary = tokenBytes(tokenizer);
const stop = tokenizer.eos!;

/** Answers that are looked at; each has a schema of its own. A thousand take seconds. */
const ANSWERS = Number(process.env["SIROCCO_SAMPLES"] ?? 1000);
/** An answer that takes longer is given up: chance closes no bracket on purpose. */
const MAX_TOKENS = 300;

/** Tokens that end strings and close brackets, which chance alone would find too rarely. */
const closing: readonly number[] = Array.from(
  { length: vocabulary.size },
  (_, token) => token,
).filter(
  (token) => token === stop || /["}\],]/.test(new TextDecoder().decode(tokenizer.bytes(token))),
);

const all: readonly number[] = Array.from({ length: vocabulary.size }, (_, token) => token);

/** The first token of a list that fits, from a place in it by chance on. */
function choose(random: Random, mask: Uint32Array): number | undefined {
  for (const from of random.next() < 0.4 ? [closing, all] : [all]) {
    const start = Math.floor(random.next() * from.length);
    for (let i = 0; i < from.length; i++) {
      const token = from[(start + i) % from.length]!;
      if (isAllowed(mask, token)) return token;
    }
  }
  return undefined;
}

/** A text by chance, or `undefined` where it does not end in time. */
function sample(grammar: Grammar, random: Random): string | undefined {
  const matcher = createMatchers().start(grammar, vocabulary, [stop], false);
  const bytes: number[] = [];
  for (let i = 0; i < MAX_TOKENS; i++) {
    const mask = matcher.mask();
    const token = choose(random, mask);
    if (token === undefined) throw new Error("a dead end");
    if (token === stop)
      return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
    if (!matcher.push(token)) throw new Error("what the mask has does not fit");
    bytes.push(...tokenizer.bytes(token));
  }
  return undefined;
}

const isDate = (text: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(text) &&
  !Number.isNaN(Date.parse(`${text}T00:00:00Z`.replace(/^0000/, "2000")));

function formats(): Record<string, RegExp | ((text: string) => boolean)> {
  const time = /^\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
  return {
    date: isDate,
    time,
    "date-time": (text) =>
      isDate(text.slice(0, 10)) && text[10] === "T" && time.test(text.slice(11)),
    uuid: /^[\da-f]{8}-([\da-f]{4}-){3}[\da-f]{12}$/i,
    ipv4: (text) =>
      text.split(".").length === 4 &&
      text.split(".").every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256),
    email: /^[^@\s]+@[^@\s]+\.[^@\s]+$/,
  };
}

// Of decimal fractions a float64 has only the nearest one.
const ajv = new Ajv2020({ strict: false, formats: formats(), multipleOfPrecision: 9 });

test(`${ANSWERS} answers by chance under random schemas are all valid`, () => {
  const random = createRandom(5);
  let finished = 0;
  let begun = 0;
  while (finished < ANSWERS) {
    begun++;
    const schema: Schema = randomSchema(random);
    const text = sample(compileFormat({ type: "json_schema", schema }, "schema"), random);
    if (text === undefined) continue;
    const valid = ajv.validate(schema as object, JSON.parse(text));
    expect(valid, `${JSON.stringify(schema)} has made ${text}: ${ajv.errorsText()}`).toBe(true);
    finished++;
  }
  // Giving up has to be the exception.
  expect(begun).toBeLessThan(1.5 * ANSWERS);
});

/** The mask of a state, token by token and byte by byte. */
function slowMask(automaton: Automaton, from: State): boolean[] {
  const index = indexTokens(vocabulary);
  return Array.from({ length: vocabulary.size }, (_, token) => {
    automaton.allow();
    const bytes = index.bytes(token);
    if (bytes.length === 0) {
      const named = automaton.controls.indexOf(token);
      const label = FIRST_CONTROL + (named < 0 ? automaton.controls.length : named);
      return (
        index.controls.includes(token) && automaton.step(from, automaton.classes[label]!) !== null
      );
    }
    let state: State | null = from;
    for (const byte of bytes) {
      state = automaton.step(state, automaton.classes[byte]!);
      if (state === null) return false;
    }
    return true;
  });
}

const GRAMMARS: readonly (readonly [string, () => Grammar])[] = [
  ["JSON", () => compileFormat({ type: "json_object" }, "format")],
  [
    "a regular expression",
    () => buildGrammar("", parseRegex("([a-zé]{1,9} )*(\\S{3,30}|[^a]{2})", "r"), "r"),
  ],
  [
    "nested rules",
    () => buildGrammar("", parseGbnf('root ::= "(" (root | [a-z" ]{0,6})+ ")"', "g"), "g"),
  ],
  [
    "bounded strings",
    () =>
      compileFormat(
        { type: "json_schema", schema: { items: { type: "string", maxLength: 30 } } },
        "s",
      ),
  ],
  ["free text before a mark", () => buildGrammar("", freeText, "t")],
];

const freeText: Parameters<typeof buildGrammar>[1] = (graph, from, to) => {
  const loop = graph.state();
  graph.nothing(from, loop);
  graph.chars(
    loop,
    [
      [0x20, 0x7e],
      [0xa0, 0xd7ff],
    ],
    loop,
  );
  graph.control(loop, "other", loop);
  graph.control(loop, tokenizer.bos!, to);
};

test.each(GRAMMARS)("masks are those found token by token: %s", (_, make) => {
  const random = createRandom(11);
  const grammar = make();
  const automaton = createAutomaton(grammar);
  const masks = createMasks(automaton, indexTokens(vocabulary));
  const matchers = createMatchers();
  for (let run = 0; run < 4; run++) {
    automaton.allow();
    let state: State = automaton.begin(run === 3);
    const matcher = matchers.start(grammar, vocabulary, [], run === 3);
    for (let i = 0; i < 12; i++) {
      const mask = masks.of(state);
      const slow = slowMask(automaton, state);
      const fast = slow.map((_any, token) => isAllowed(mask, token));
      expect(fast).toEqual(slow);
      const choices = slow.flatMap((fits, token) =>
        fits && !vocabulary.controls.includes(token) ? [token] : [],
      );
      if (choices.length === 0) break;
      const token = choices[Math.floor(random.next() * choices.length)]!;
      expect(matcher.push(token)).toBe(true);
      automaton.allow();
      for (const byte of tokenizer.bytes(token))
        state = automaton.step(state, automaton.classes[byte]!)!;
      expect(matcher.accepts).toBe(state.accepts);
    }
  }
});
