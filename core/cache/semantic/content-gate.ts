import { readQuestion } from "./terms.ts";
import { NEGATIONS, OPPOSITES, QUESTION_WORDS, SCOPES } from "./vocabulary.ts";

/** Why two questions are not taken for one. */
export type Difference =
  | "form"
  | "numbers"
  | "negation"
  | "opposite"
  | "scope"
  | "question"
  | "names"
  | "signs"
  | "order"
  | "words";

/** Every {@linkcode Difference}. */
export const DIFFERENCES: readonly Difference[] = [
  "form",
  "numbers",
  "negation",
  "opposite",
  "scope",
  "question",
  "names",
  "signs",
  "order",
  "words",
];

/** Raised whenever {@linkcode difference} may judge otherwise than it did: what was proved of it is proved no more. */
export const GATE_VERSION = 3;

/**
 * Why two questions may ask different things; `undefined` where they say the same in the same order, but for what is
 * known to change nothing (`terms.ts`). A vector alone cannot tell: questions that are each other's opposite are
 * nearer to one another than most paraphrases. The gate fails safe: what it does not know is a difference, in
 * every language.
 */
export function difference(one: string, other: string): Difference | undefined {
  const a = readQuestion(one);
  const b = readQuestion(other);
  return a === undefined || b === undefined ? "form" : termDifference(a.terms, b.terms);
}

/** The same of questions whose terms are known. */
export function termDifference(a: readonly string[], b: readonly string[]): Difference | undefined {
  if (a.length === b.length && a.every((term, i) => term === b[i])) return undefined;
  const [onlyA, onlyB] = [without(a, b), without(b, a)];
  const differing = [...onlyA, ...onlyB];
  if (differing.length === 0) return "order";
  const some = (test: (term: string) => boolean): boolean => differing.some(test);
  if (some((term) => /\p{N}/u.test(term))) return "numbers";
  if (some((term) => NEGATIONS.has(small(term)) || term.endsWith("n't"))) return "negation";
  if (onlyA.some((term) => onlyB.some((other) => OPPOSITES.get(small(term))?.has(small(other)))))
    return "opposite";
  if (some((term) => SCOPES.has(small(term)))) return "scope";
  if (some((term) => QUESTION_WORDS.has(small(term)) || term === "?")) return "question";
  if (some((term) => /\p{Lu}/u.test(term))) return "names";
  return some((term) => !/[\p{L}\p{N}]/u.test(term)) ? "signs" : "words";
}

/** Terms of `a` that are not in `b`, each as often as it is missing there. */
function without(a: readonly string[], b: readonly string[]): readonly string[] {
  const left = new Map<string, number>();
  for (const term of b) left.set(term, (left.get(term) ?? 0) + 1);
  return a.filter((term) => {
    const count = left.get(term) ?? 0;
    left.set(term, count - 1);
    return count <= 0;
  });
}

function small(term: string): string {
  return term.toLowerCase();
}
