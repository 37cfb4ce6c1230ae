/**
 * Splits text into the words that byte-level BPE merges within. The patterns are built in and chosen by
 * the model's `tokenizer.ggml.pre`; a pattern that a model file brings along is never compiled.
 *
 * `\p{White_Space}` stands where the original patterns say `\s`: JavaScript's `\s` also takes U+FEFF and
 * leaves out U+0085, unlike the Rust and C++ tokenisers that the models were trained with.
 */
import { RuntimeError } from "../errors.ts";

/** How a family of vocabularies splits. */
export interface PreTokenizer {
  /** Each stage splits what the stage before it left, into matches and what lies between them. */
  readonly stages: readonly RegExp[];
  /** A word that is a token as it stands is not merged from its bytes. */
  readonly wholeWords: boolean;
  /** Whether a prompt begins with `bos` where the model file does not say. */
  readonly addBos: boolean;
}

const GPT2 =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const LLAMA3 =
  /'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const QWEN2 =
  /'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const TEKKEN =
  /[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n/]*|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const gpt2: PreTokenizer = { stages: [GPT2], wholeWords: false, addBos: false };
const digits: PreTokenizer = { stages: [/\p{N}/gu, GPT2], wholeWords: false, addBos: false };
const llama3: PreTokenizer = { stages: [LLAMA3], wholeWords: true, addBos: true };
const qwen2: PreTokenizer = { stages: [QWEN2], wholeWords: false, addBos: false };
const tekken: PreTokenizer = { stages: [TEKKEN], wholeWords: true, addBos: true };
/** What llama.cpp falls back to, for files that name no pattern or `default`. */
const unnamed: PreTokenizer = {
  stages: [/[\p{P}$+<=>^~|]+/gu, GPT2, /\p{N}+/gu, /[0-9][0-9][0-9]/gu],
  wholeWords: false,
  addBos: false,
};

const KNOWN: ReadonlyMap<string, PreTokenizer> = new Map([
  ["default", unnamed],
  ["gpt-2", gpt2],
  ["gpt2", gpt2],
  ["phi-2", gpt2],
  ["olmo", gpt2],
  ["mpt", gpt2],
  ["exaone4", gpt2],
  ["granite-docling", gpt2],
  ["smollm", digits],
  ["starcoder", digits],
  ["refact", digits],
  ["command-r", digits],
  ["codeshell", digits],
  ["llama3", llama3],
  ["llama-3", llama3],
  ["llama-v3", llama3],
  ["llama-bpe", llama3],
  ["falcon3", llama3],
  ["pixtral", llama3],
  ["lfm2", llama3],
  ["qwen2", qwen2],
  ["deepseek-r1-qwen", qwen2],
  ["megrez", qwen2],
  ["stablelm2", qwen2],
  ["tekken", tekken],
]);

/** The pre-tokeniser a model file names; throws `MODEL_UNSUPPORTED` for a name that is not built in. */
export function findPreTokenizer(name: string): PreTokenizer {
  const found = KNOWN.get(name);
  if (found === undefined) {
    throw new RuntimeError(
      "MODEL_UNSUPPORTED",
      `Cannot use the pre-tokeniser ${JSON.stringify(name)} (tokenizer.ggml.pre): known are ${[...KNOWN.keys()].join(", ")}`,
    );
  }
  return found;
}

/** Every word of `text`, in order; together they are the text. */
export function splitWords(
  text: string,
  { stages }: PreTokenizer,
  emit: (word: string) => void,
): void {
  const run = (stage: number, piece: string): void => {
    const pattern = stages[stage];
    if (pattern === undefined) emit(piece);
    else split(piece, pattern, (part) => run(stage + 1, part));
  };
  run(0, text);
}

/**
 * A pattern sees this much text at once: engines limit how far one match may run (JavaScriptCore) or
 * how much a match may remember (V8). Only a word longer than this is cut in two.
 */
const WINDOW_CHARS = 65_536;

/** Longer than any match of a pattern that does not cover the whole text. */
const OVERLAP_CHARS = 64;

function split(text: string, pattern: RegExp, emit: (piece: string) => void): void {
  /** Where the piece that is not emitted yet begins. */
  let start = 0;
  let base = 0;
  for (;;) {
    const end = windowEnd(text, base);
    const last = end === text.length;
    const view = base === 0 && last ? text : text.slice(base, end);
    const decided = last ? view.length + 1 : decidedEnd(view);
    let progress = 0;
    let pending = false;
    pattern.lastIndex = 0;
    for (let match = pattern.exec(view); match !== null; match = pattern.exec(view)) {
      const matchEnd = match.index + match[0].length;
      // More text could make this match longer: look again from here, unless it fills the window.
      if (matchEnd >= decided && progress > 0) {
        pending = true;
        break;
      }
      if (base + match.index > start) emit(text.slice(start, base + match.index));
      emit(match[0]);
      start = base + matchEnd;
      progress = matchEnd;
    }
    if (last) break;
    base = pending ? base + progress : Math.max(base + progress, end - OVERLAP_CHARS);
  }
  if (start < text.length) emit(text.slice(start));
}

/** The end of a window from `base` on that halves no surrogate pair. */
function windowEnd(text: string, base: number): number {
  const end = base + WINDOW_CHARS;
  if (end >= text.length) return text.length;
  return (text.charCodeAt(end - 1) & 0xfc00) === 0xd800 ? end - 1 : end;
}

/**
 * A match that ends before this index is final whatever follows the window. The patterns look at one
 * character past their match, except for blanks: those may run on to a line break outside the window.
 */
function decidedEnd(view: string): number {
  let blanks = view.length;
  while (blanks > 0 && BLANK.test(view[blanks - 1]!)) blanks--;
  return blanks === view.length ? view.length : blanks + 1;
}

const BLANK = /\p{White_Space}/u;
