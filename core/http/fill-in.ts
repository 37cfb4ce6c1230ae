import { RuntimeError } from "../errors.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { ServedModel } from "./deps.ts";

/** How a model was trained to fill gaps (Bavarian et al. 2022): what is written before, after and where to go on. */
interface FillIn {
  /** Before the text in front of the gap. */
  readonly prefix: number;
  /** Before the text behind the gap. */
  readonly suffix: number;
  /** Where the answer begins. Absent: right behind the text in front, which then comes last. */
  readonly middle: number | undefined;
}

/** Spellings of the tokens, by family: Mistral's, Qwen's, StarCoder's. */
const SPELLINGS: readonly (readonly [prefix: string, suffix: string, middle?: string])[] = [
  ["[PREFIX]", "[SUFFIX]"],
  ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
  ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
];

/**
 * The prompt for what stands between `before` and `after`. Throws `UNSUPPORTED_PARAMETER` where the
 * model's vocabulary has no tokens for it.
 */
export function fillInTokens(
  { id, tokenizer }: ServedModel,
  before: string,
  after: string,
): readonly number[] {
  const tokens = findFillIn(tokenizer);
  if (tokens === undefined) {
    throw new RuntimeError(
      "UNSUPPORTED_PARAMETER",
      `Unsupported parameter 'suffix': the vocabulary of '${id}' has no tokens for filling in; remove it or choose another model`,
      { param: "suffix" },
    );
  }
  const { bos, addBos } = tokenizer;
  const { prefix, suffix, middle } = tokens;
  const start = addBos && bos !== undefined ? [bos] : [];
  const behind = [suffix, ...encodeInside(tokenizer, after)];
  const front = [prefix, ...tokenizer.encode(before)];
  return middle === undefined
    ? [...start, ...behind, ...front]
    : [...start, ...front, ...behind, middle];
}

/** Whether the model can fill gaps. */
export function canFillIn(tokenizer: Tokenizer): boolean {
  return findFillIn(tokenizer) !== undefined;
}

/** A vocabulary is looked through once. */
const known = new WeakMap<Tokenizer, { readonly tokens: FillIn | undefined }>();

function findFillIn(tokenizer: Tokenizer): FillIn | undefined {
  const found = known.get(tokenizer);
  if (found !== undefined) return found.tokens;
  const tokens = lookThrough(tokenizer);
  known.set(tokenizer, { tokens });
  return tokens;
}

function lookThrough(tokenizer: Tokenizer): FillIn | undefined {
  const wanted = new Set(SPELLINGS.flat());
  const control = new Map<string, number>();
  for (let token = 0; token < tokenizer.vocabSize; token++) {
    const spelling = tokenizer.controlText(token);
    if (spelling !== undefined && wanted.has(spelling)) control.set(spelling, token);
  }
  for (const [before, after, at] of SPELLINGS) {
    const prefix = control.get(before);
    const suffix = control.get(after);
    const middle = at === undefined ? undefined : control.get(at);
    if (prefix === undefined || suffix === undefined) continue;
    if (at === undefined || middle !== undefined) return { prefix, suffix, middle };
  }
  return undefined;
}

/** No text begins with it in earnest, and it is tokens of its own. */
const MARK = "☺";

/** Tokens of a text that goes on from another: without the blank that some vocabularies put in front. */
function encodeInside(tokenizer: Tokenizer, text: string): number[] {
  const mark = tokenizer.encode(MARK);
  const marked = tokenizer.encode(MARK + text);
  return mark.every((token, i) => token === marked[i])
    ? marked.slice(mark.length)
    : tokenizer.encode(text);
}
