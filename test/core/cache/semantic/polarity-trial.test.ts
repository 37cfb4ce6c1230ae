import { expect, test } from "vitest";
import {
  falseHitsOf,
  mayAnswer,
  tryPolarity,
} from "../../../../core/cache/semantic/polarity-trial.ts";
import { LEAST_PAIRS, polarityPairs } from "../../../../core/cache/semantic/polarity-suite.ts";
import { createWordEmbedder } from "../../../fixtures/word-embedder.ts";

const words = createWordEmbedder();
const blind = { name: "blind", embed: async () => Float32Array.of(1, 0) };

test("the suite has thousands of pairs, no two alike, of two different questions each", () => {
  const pairs = polarityPairs();
  expect(pairs.length).toBeGreaterThanOrEqual(LEAST_PAIRS);
  expect(new Set(pairs.map(({ one, other }) => `${one}\n${other}`)).size).toBe(pairs.length);
  expect(pairs.filter(({ one, other }) => one === other)).toEqual([]);
  const kinds = new Set(pairs.map(({ kind }) => kind));
  for (const kind of ["negation", "number", "entity", "opposite", "order", "scope", "question"])
    expect(kinds).toContain(kind);
});

test("an embedder that tells words apart may answer", async () => {
  const verdict = await tryPolarity(words);
  expect(falseHitsOf(verdict)).toBe(0);
  expect(verdict.paraphrases.form.hits).toBeGreaterThan(verdict.paraphrases.form.pairs / 2);
  expect(mayAnswer(verdict)).toBe(true);
});

test("one that sees no difference may not, though the gate holds what words show", async () => {
  const verdict = await tryPolarity(blind);
  expect(verdict.falseHits).toEqual({ sense: verdict.leftToVectors });
  expect(mayAnswer(verdict)).toBe(false);
});

test("without the gate no embedder may that does not see the order of words", async () => {
  const verdict = await tryPolarity(words, { gate: () => undefined });
  expect(verdict.falseHits["order"]).toBeGreaterThan(400);
  expect(mayAnswer(verdict)).toBe(false);
});

test("a few pairs prove nothing", async () => {
  expect(mayAnswer(await tryPolarity(words, { pairs: polarityPairs().slice(0, 100) }))).toBe(false);
});
