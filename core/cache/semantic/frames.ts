import { PROCEDURES, QUESTION_WORDS, REQUESTS } from "./vocabulary.ts";

/*
 * The frames of English requests: `could you tell me how I can X, please` asks what `how do I X` asks. German,
 * French and Spanish lose their courtesies only.
 */

/** Before a request, with a comma or without where that leaves no doubt. */
const OPENINGS: readonly (readonly string[])[] = phrases(
  "please|please ,|hi ,|hi !|hello ,|hello !|hey ,|hey !|bitte|bitte ,|hallo ,|hallo !|bonjour ,|bonjour !|hola ,|hola !|por favor ,|s'il vous plaît ,|s'il te plaît ,",
);

/** What comes before a question that is asked in other words. */
const INDIRECT: readonly (readonly string[])[] = phrases(
  "tell me|i want to know|i would like to know|i need to know|i wonder|i was wondering|let me know",
);

/** Who does what is done by a procedure. `You` may be who is asked, who keeps the passwords that I only use. */
const DOERS: readonly (readonly string[])[] = phrases(
  "how do i|how does one|how can i|how can one|how i can|how one can",
);

const BE = /^(?:is|are|was|were)$/;

/** Terms of a question without what only makes it polite or roundabout. */
export function withoutFrame(terms: readonly string[]): readonly string[] {
  let rest = terms;
  for (;;) {
    const bare = withoutOpening(rest);
    if (bare === rest) break;
    rest = bare;
  }
  return shortest(uninverted(rest));
}

/** A circumstance has so many words at most; more may hold a question of its own. */
const MOST_WORDS = 4;

/** `in Python, how do I X` as `how do I X in Python`. */
function uninverted(terms: readonly string[]): readonly string[] {
  const [first = ""] = terms;
  const comma = terms.indexOf(",");
  const isCircumstance = /^(?:in|on|for|with)$/.test(first) && comma > 1 && comma <= MOST_WORDS;
  if (!isCircumstance || terms.lastIndexOf(",") !== comma) return terms;
  const question = terms.slice(comma + 1);
  return QUESTION_WORDS.has(question[0] ?? "") ? [...question, ...terms.slice(0, comma)] : terms;
}

function withoutOpening(terms: readonly string[]): readonly string[] {
  const [first = "", second, third = ""] = terms;
  // The longest that fits, so that no comma is left.
  const opening = longest(OPENINGS, terms);
  if (opening !== undefined) return uncapitalised(terms.slice(opening.length));
  const mayDo = /^(?:can|could|would|will)$/.test(first) && second === "you";
  const polite = mayDo && third === "please" ? 3 : 2;
  if (mayDo && REQUESTS.has(terms[polite] ?? "")) return terms.slice(polite);
  const indirect = longest(INDIRECT, terms);
  if (indirect !== undefined && QUESTION_WORDS.has(terms[indirect.length] ?? ""))
    return asDirect(terms.slice(indirect.length));
  return terms;
}

/** `what the capital of France is` as `what is the capital of France`. */
function asDirect(terms: readonly string[]): readonly string[] {
  const [asked = "", next = ""] = terms;
  const last = terms.at(-1) ?? "";
  const turns = /^(?:what|who|where)$/.test(asked) && BE.test(last) && !BE.test(next);
  return turns && terms.length > 2 ? [asked, last, ...terms.slice(1, -1)] : terms;
}

/** The shortest of the ways to ask for a thing, a meaning or a procedure. */
function shortest(terms: readonly string[]): readonly string[] {
  const doer = longest(DOERS, terms);
  if (doer !== undefined && PROCEDURES.has(terms[doer.length] ?? ""))
    return ["how", "to", ...terms.slice(doer.length)];
  const [first, second, third] = terms;
  if (first === "tell" && second === "me" && third === "the" && terms.includes("of"))
    return ["what", "is", ...terms.slice(2)];
  if (first !== "explain" && first !== "describe") return terms;
  if (second === "to" && third === "me") return [first, ...terms.slice(3)];
  if (terms.at(-2) === "to" && terms.at(-1) === "me") return terms.slice(0, -2);
  return terms;
}

function longest(
  all: readonly (readonly string[])[],
  terms: readonly string[],
): readonly string[] | undefined {
  let found: readonly string[] | undefined;
  for (const phrase of all) {
    if (phrase.length >= terms.length || phrase.length <= (found?.length ?? 0)) continue;
    if (phrase.every((word, i) => terms[i] === word || (i === 0 && isCapital(terms[0]!, word))))
      found = phrase;
  }
  return found;
}

/** Whether a first word is this one with a capital. */
function isCapital(term: string, word: string): boolean {
  return term.slice(1) === word.slice(1) && term[0]!.toLowerCase() === word[0];
}

/** Whoever put a courtesy before it gave the next word its capital, or not. */
function uncapitalised(terms: readonly string[]): readonly string[] {
  const [first = "", ...rest] = terms;
  const small = first.toLowerCase();
  return QUESTION_WORDS.has(small) || REQUESTS.has(small) ? [small, ...rest] : terms;
}

function phrases(text: string): readonly (readonly string[])[] {
  return text.split("|").map((phrase) => phrase.split(" "));
}
