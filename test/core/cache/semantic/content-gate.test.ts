import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { difference } from "../../../../core/cache/semantic/content-gate.ts";
import { polarityPairs } from "../../../../core/cache/semantic/polarity-suite.ts";
import { MAX_QUESTION_CHARS, readQuestion } from "../../../../core/cache/semantic/terms.ts";
import { shared } from "../../../fixtures/shared.ts";

describe("questions that ask different things", () => {
  test.each([
    ["numbers", "Name 3 rivers.", "Name 4 rivers."],
    ["numbers", "Name three rivers.", "Name four rivers."],
    ["numbers", "What is 3.5 + 1?", "What is 35 + 1?"],
    ["signs", "What is 5?", "What is 5!"],
    ["signs", "What is -5 squared?", "What is 5 squared?"],
    ["negation", "Why is ice cold?", "Why isn't ice cold?"],
    ["negation", "Warum ist Eis kalt?", "Warum ist Eis nicht kalt?"],
    ["negation", "Pourquoi ça marche ?", "Pourquoi ça ne marche pas ?"],
    ["negation", "¿Por qué funciona?", "¿Por qué no funciona?"],
    ["opposite", "How do I increase it?", "How do I decrease it?"],
    ["scope", "Do all birds fly?", "Do some birds fly?"],
    ["question", "When was it built?", "Where was it built?"],
    ["question", "It is over?", "It is over."],
    ["names", "What is the capital of Mali?", "What is the capital of Chad?"],
    ["names", "What is Java?", "What is Rust?"],
    ["signs", "What is C++?", "What is C#?"],
    ["order", "Did the cat bite the dog?", "Did the dog bite the cat?"],
    ["order", "In Rome, where is Paris Street?", "In Paris, where is Rome Street?"],
    ["words", "Who is the pope?", "Who was the pope?"],
    ["words", "Can I go?", "Must I go?"],
    ["words", "What is my name?", "What is your name?"],
    ["words", "How do I look?", "How do you look?"],
    ["words", "How do you say thanks?", "How do you say please?"],
    ["words", "日本の首都は?", "中国の首都は?"],
    ["names", "What is the US doing?", "What is the us doing?"],
    ["words", "How do I store passwords?", "How do you store passwords?"],
    ["words", "How many letters has color?", "How many letters has colour?"],
    ["words", "What is another name for a sofa?", "What is another name for a couch?"],
    ["form", "How long is 'a b'?", "How long is 'a  b'?"],
    ["form", 'Translate "Polish".', 'Translate "polish".'],
    ["form", "Count the words: a b", "Count the words: a  b"],
    ["form", "Why?", "Why?\nBecause."],
    ["form", "What is `a`?", "What is `b`?"],
    ["form", "x ".repeat(MAX_QUESTION_CHARS), "y"],
    ["form", "", ""],
  ])("differ by %s: %j, %j", (why, one, other) => {
    expect(difference(one, other)).toBe(why);
    expect(difference(other, one)).toBe(why);
  });
});

describe("questions that ask the same", () => {
  test.each([
    ["What is the capital of France?", "what's the capital of france"],
    ["What is the capital of France?", "Could you please tell me what the capital of France is?"],
    ["How do I sort a list?", "How can I sort a list? Thanks!"],
    ["How do I sort a list?", "Hi, tell me how to sort a list."],
    ["Explain the colour wheel.", "Can you explain to me the color wheel?"],
    ["Which film has he made?", "which movie has he made"],
    ["List three big rivers, lakes, and seas.", "list 3 large rivers, lakes and seas"],
    ["How do I sort a list in Python?", "In Python, how can I sort a list?"],
    ["Warum ist der Himmel blau?", "Bitte, warum ist der Himmel blau? Danke"],
    ["Pourquoi le ciel est-il bleu ?", "pourquoi le ciel est-il bleu?"],
    ["¿Cómo funciona?", "Hola, cómo funciona? gracias"],
    ["日本の首都は?", "日本の首都は?"],
  ])("%j, %j", (one, other) => {
    expect(difference(one, other)).toBeUndefined();
  });
});

test("no pair of the suite passes but those that only the vectors can tell", () => {
  const pairs = polarityPairs();
  const passed = pairs.filter(({ one, other }) => difference(one, other) === undefined);
  expect(new Set(passed.map(({ kind }) => kind))).toEqual(new Set(["sense"]));
  expect(passed.length).toBeGreaterThan(50);
});

test("whatever is asked, a question asks the same as itself, and a number more is a difference", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), fc.nat(1000), (text, number) => {
      if (readQuestion(text) === undefined) return;
      expect(difference(text, text)).toBeUndefined();
      expect(difference(`${text} ${number}`, text)).not.toBeUndefined();
    }),
  );
});

/** Questions of several people about the same paragraphs: none asks what another asks. */
const questions = shared("data/rag/xquad.en.json");
const sentences = shared("data/rag/stsb-en-dev.csv");
const skipped = questions === undefined ? " (skipped: ../shared/data not present)" : "";

test.skipIf(questions === undefined)(
  `tells apart every two of a thousand real questions${skipped}`,
  () => {
    const asked = new Set<string>();
    JSON.stringify(JSON.parse(readFileSync(questions!, "utf8")), (key, value: unknown) => {
      if (key === "question") asked.add(String(value).trim());
      return value;
    });
    const seen = new Map<string, string>();
    const same: string[] = [];
    for (const question of asked) {
      const saying = readQuestion(question)?.terms.join("\n");
      if (saying === undefined) continue;
      const other = seen.get(saying);
      if (other !== undefined) same.push(`${question} = ${other}`);
      seen.set(saying, question);
    }
    expect(seen.size).toBeGreaterThan(1000);
    expect(same).toEqual([]);
  },
);

test.skipIf(sentences === undefined)(
  `takes no two sentences for one that people found to differ${skipped}`,
  () => {
    const wrong: string[] = [];
    let same = 0;
    for (const line of readFileSync(sentences!, "utf8").trim().split(/\r?\n/)) {
      const [, one = "", other = "", score = ""] =
        /^("(?:[^"]|"")*"|[^,]*),("(?:[^"]|"")*"|[^,]*),([\d.]+)$/.exec(line) ?? [];
      if (one === "" || difference(one, other) !== undefined) continue;
      same++;
      if (Number(score) < 4) wrong.push(line);
    }
    expect(wrong).toEqual([]);
    expect(same).toBeGreaterThan(0);
  },
);
