/*
 * What the content gate knows about words. The lists of what may differ are short on purpose, and hold what is
 * harmless in nearly every sentence: a word that is on none of them costs a hit and never gives a wrong one.
 */

/** Words that turn a statement into its opposite, in English, German, French and Spanish. */
export const NEGATIONS: ReadonlySet<string> = words(
  "not no never none nobody nothing neither nor without cannot except unless nicht kein keine keinen keinem keiner nie niemals nichts ohne ne pas jamais aucun aucune sans rien nunca jamás ningún ninguna sin nada tampoco",
);

/** Words that say of how much something holds. */
export const SCOPES: ReadonlySet<string> = words(
  "all any some every each both either most many few several only just always sometimes often rarely usually at least more less fewer exactly alle einige jeder jede manche nur immer manchmal oft tous toutes quelques chaque seulement toujours parfois todos todas algunos algunas cada solo siempre",
);

/** Words that say what is asked. */
export const QUESTION_WORDS: ReadonlySet<string> = words(
  "what who whom whose which where when why how wer wen wem wessen welche welcher welches wo wann warum wie que quoi qui quel quelle où quand pourquoi comment combien qué quién cuál dónde cuándo cómo cuánto",
);

/** Pairs of opposites, for telling why two questions differ; that they differ is known without. */
export const OPPOSITES: ReadonlyMap<string, ReadonlySet<string>> = opposites(
  "increase decrease, raise lower, rise fall, open close, start stop, enable disable, buy sell, big small, hot cold, high low, fast slow, early late, before after, above below, over under, inside outside, up down, left right, first last, best worst, better worse, advantages disadvantages, benefits drawbacks, pros cons, import export, upload download, encrypt decrypt, encode decode, compress decompress, install uninstall, connect disconnect, lock unlock, mount unmount, add remove, push pull, push pop, win lose, legal illegal, safe dangerous, safe unsafe, true false, positive negative, minimum maximum, shortest longest, cheapest dearest, oldest newest, lightest heaviest, ascending descending, rows columns, light dark, wet dry, warm cool, accept reject, allow forbid, gain lose, win lose, expand shrink, deep shallow, hard soft, thick thin, strong weak, rich poor, male female, north south, east west, morning evening, day night, summer winter, internal external, public private, synchronous asynchronous, vor nach, groß klein, avant après, grand petit, antes después, grande pequeño",
);

/** Words that start a question or a request, whose capital says nothing. */
export const STARTERS: ReadonlySet<string> = words(
  "what who whom whose which where when why how is are am was were do does did can could should would will shall may might must has have had i my a an the in on for with to if please hi hello hey thanks tell explain describe give show write list translate summarize summarise define name recommend suggest make create generate compare calculate provide find convert let wer wie wo wann warum welche welcher welches kann können darf muss ist sind bitte que qui quel quelle où quand pourquoi comment combien est qué quién cuál dónde cuándo cómo cuánto cuántos es son puede por ¿qué erkläre nenne explique",
);

/** Starters behind which a question mark changes nothing. */
export const ASKING: ReadonlySet<string> = words(
  "what who whom whose which where when why how is are am was were do does did can could should would must has have had explain describe give show write list translate summarize summarise define name recommend suggest compare calculate provide convert tell wer wie wo wann warum welche welcher welches kann können ist sind que qui quel quelle où quand pourquoi comment combien qué quién cuál dónde cuándo cómo cuánto cuántos erkläre nenne explique",
);

/** What somebody is asked for: `could you X` and `X` are one request. */
export const REQUESTS: ReadonlySet<string> = words(
  "tell explain describe give show write list translate summarize summarise define name provide",
);

/** What one does by a procedure: how I do it is how one does it. */
export const PROCEDURES: ReadonlySet<string> = words(
  "add attach bake boil build buy cancel center change check clean clone close compile configure connect convert cook copy create cut debug declare delete deploy disable download draw edit enable encrypt export fill filter find fix format freeze fry get grow import initialize insert install iterate join learn make measure merge mount move open paint parse plant prepare prevent print read remove rename repair replace reset restart restore revert reverse round save send set sharpen share solve sort split start stop store switch test train translate treat undo uninstall update upgrade upload use wash write",
);

/** Names that are no other words when they are written small. */
export const CLEAR_NAMES: ReadonlySet<string> = words(
  "france germany italy spain portugal england scotland ireland sweden norway denmark finland poland austria switzerland belgium netherlands greece russia ukraine japan korea india pakistan australia canada brazil argentina mexico egypt nigeria kenya europe africa asia america paris london berlin rome madrid vienna lisbon stockholm oslo copenhagen helsinki warsaw prague budapest athens moscow tokyo beijing delhi sydney toronto chicago boston english german french spanish italian portuguese dutch russian japanese chinese korean arabic hindi latin monday tuesday wednesday thursday friday saturday sunday january february april june july september october november december javascript typescript kubernetes postgresql mysql linux ubuntu debian macos github gitlab django numpy bitcoin wikipedia einstein shakespeare",
);

/** One of each group may stand for another; the first is what all of them are compared as. */
const GROUPS =
  "a an, color colour, colors colours, favorite favourite, center centre, meter metre, meters metres, liter litre, liters litres, kilometer kilometre, kilometers kilometres km, kilogram kilogramme, kilograms kg, gray grey, theater theatre, organize organise, organization organisation, analyze analyse, behavior behaviour, neighbor neighbour, license licence, traveling travelling, canceled cancelled, aluminum aluminium, program programme, email e-mail, website web-site, ok okay, versus vs, percent %, television tv TV, photo photograph, photos photographs, bike bicycle, bikes bicycles, fridge refrigerator, car automobile, cars automobiles, phone telephone, movie film, movies films, kids children, doctor physician, doctors physicians, lawyer attorney, sofa couch, garbage trash, gasoline petrol, big large, bigger larger, biggest largest, hard difficult, buy purchase, fix repair, start begin, error mistake, errors mistakes, help assist, smart intelligent, quickly rapidly, approximately roughly, javascript js JS, kubernetes k8s, postgresql postgres, USA U.S.A, UK U.K";

/** A word to the word that it is compared as. */
export const SAME: ReadonlyMap<string, string> = new Map(
  GROUPS.split(", ").flatMap((group) => {
    const [first = "", ...others] = group.split(" ");
    return others.map((other) => [other, first] as const);
  }),
);

/** Small numbers in words. `one` and `second` have other meanings. */
export const NUMBER_WORDS: ReadonlyMap<string, string> = new Map(
  "two three four five six seven eight nine ten eleven twelve"
    .split(" ")
    .map((word, i) => [word, String(i + 2)] as const),
);

/** Short forms and what they stand for. */
export const CONTRACTIONS: ReadonlyMap<string, readonly string[]> = new Map([
  ...short("what who where when how that it there here", "'s", "is"),
  ...short("do does did is are was were could would should have has had", "n't", "not"),
  ...short("you we they", "'re", "are"),
  ...short("i you we they", "'ve", "have"),
  ["i'm", ["i", "am"]],
  ["can't", ["can", "not"]],
  ["cannot", ["can", "not"]],
  ["won't", ["will", "not"]],
]);

/** Each of these words with an ending that stands for another word. */
function short(
  stems: string,
  ending: string,
  word: string,
): readonly (readonly [string, readonly string[]])[] {
  return stems.split(" ").map((each) => [each + ending, [each, word]] as const);
}

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(" "));
}

function opposites(text: string): ReadonlyMap<string, ReadonlySet<string>> {
  const all = new Map<string, Set<string>>();
  for (const pair of text.split(", ")) {
    const [one = "", other = ""] = pair.split(" ");
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const)
      all.set(from, (all.get(from) ?? new Set()).add(to));
  }
  return all;
}
