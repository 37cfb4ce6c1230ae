import { LONG, SENSES, TEMPLATES, WORDS } from "./polarity-words.ts";

/** Two questions that look alike and ask different things. */
export interface PolarityPair {
  /** What is turned: `negation`, `number`, `order`, … */
  readonly kind: string;
  readonly one: string;
  readonly other: string;
}

/** Raised whenever the suite changes: what was proved by another is proved no more. */
export const SUITE_VERSION = 3;

/** Fewer pairs could not show a rate of one in a thousand. */
export const LEAST_PAIRS = 3000;

/**
 * Pairs of questions that must never be answered with one another's answer, generated from a grammar: each template
 * with each filling, and the same with one thing turned. They are minimal on purpose: whatever differs more is told
 * apart by any embedding.
 */
export function polarityPairs(): readonly PolarityPair[] {
  return [...turned(), ...swapped(), ...reordered(), ...misunderstood(), ...longOnes()];
}

/** Each template `before {this|that} behind`, with every filling of its slots. */
function* turned(): Generator<PolarityPair> {
  for (const { kind, template } of TEMPLATES) {
    const [, before = "", choices = "", behind = ""] =
      /^(.*)\{(.*\|.*)\}(.*)$/.exec(template) ?? [];
    const alternatives = choices.split("|");
    for (const [i, one] of alternatives.entries())
      for (const other of alternatives.slice(i + 1))
        for (const fill of fillings(`${before}\0${behind}`))
          yield { kind, one: place(fill, one), other: place(fill, other) };
  }
}

/** Each list of words, one for the next of its kind, in each of its sentences. */
function* swapped(): Generator<PolarityPair> {
  for (const { kind, sentences, words } of WORDS) {
    for (const sentence of sentences)
      for (const [i, one] of words.entries()) {
        const other = words[(i + 1) % words.length]!;
        yield { kind, one: sentence.replaceAll("_", one), other: sentence.replaceAll("_", other) };
      }
  }
}

/** What does something to what, and the other way round. */
function* reordered(): Generator<PolarityPair> {
  const sentences = [
    "How do I convert 1 to 2?",
    "Is 1 better than 2?",
    "Does 1 depend on 2?",
    "Can 1 replace 2?",
    "Should I learn 1 before 2?",
    "How is 1 different from 2 and why?",
    "Tell me whether 1 came before 2.",
  ];
  const things = WORDS.filter(({ ordered }) => ordered === true).flatMap(({ words }) =>
    words.flatMap((one, i) => (i + 1 < words.length ? [[one, words[i + 1]!] as const] : [])),
  );
  for (const [one, other] of things)
    for (const sentence of sentences)
      yield {
        kind: "order",
        one: sentence.replace("1", one).replace("2", other),
        other: sentence.replace("1", other).replace("2", one),
      };
}

/** Words that often mean the same, where they do not: the gate lets them through, so that the vectors must tell. */
function* misunderstood(): Generator<PolarityPair> {
  for (const [one, other] of SENSES)
    for (const sentence of ["What is _?", "Explain _ to me.", "How much does _ matter?"])
      yield {
        kind: "sense",
        one: sentence.replace("_", one),
        other: sentence.replace("_", other),
      };
}

/** Long requests in which one word is another: the longer, the less of a vector is one word's. */
function* longOnes(): Generator<PolarityPair> {
  for (const { text, turns } of LONG)
    for (const [one, other] of turns)
      yield { kind: "long", one: text.replace("_", one), other: text.replace("_", other) };
}

/** A template with every combination of what its slots `<a|b>` may hold. */
function fillings(template: string): readonly string[] {
  const slot = /<([^<>]*)>/.exec(template);
  if (slot === null) return [template];
  return slot[1]!.split("|").flatMap((word) => fillings(template.replace(slot[0], () => word)));
}

/** A filled template with what is turned in its place, where nothing may be. */
function place(fill: string, word: string): string {
  const placed = fill.replace("\0", () => word);
  return word === "" ? placed.replaceAll("  ", " ") : placed;
}
