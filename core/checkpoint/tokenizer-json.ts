/** `tokenizer.json` of Hugging Face's tokenizers: BPE over bytes, or SentencePiece's BPE written down anew. */
import { malformed, quote, unsupported } from "../gguf/problem.ts";
import { MAX_RANKS } from "../tokenizer/merge.ts";
import { BLANK } from "../tokenizer/spm.ts";
import { TOKEN_KIND } from "../tokenizer/vocabulary.ts";
import { asArray, asObject, type JsonObject } from "./folder.ts";
import { flatten, preTokenizerName } from "./pre-tokenizers.ts";
import { addTokens, NO_SCORE, tokenId, type AddedToken, type TokenList } from "./token-list.ts";

/** The vocabulary. Throws `MODEL_MALFORMED`, and `MODEL_UNSUPPORTED` for a kind that is not known. */
export function parseTokenizerJson(file: string, json: JsonObject): TokenList {
  const model = asObject(json["model"]);
  if (model === undefined) throw malformed(file, "it has no model");
  // Files of before 2021 do not name the kind, and merges tell it.
  const type = model["type"] ?? (Array.isArray(model["merges"]) ? "BPE" : undefined);
  if (type === "WordPiece") return wordPiece(file, json, model);
  if (type !== "BPE") {
    throw unsupported(
      file,
      `its model is ${quote(JSON.stringify(type) ?? "of no kind")}, only BPE and WordPiece are supported`,
    );
  }
  const texts = parseVocab(file, model["vocab"]);
  const merges = parseMerges(file, model["merges"]);
  const added = parseAdded(file, json["added_tokens"]);
  const list = isSentencePieceLike(json)
    ? sentencePieceLike(file, json, model, texts, merges)
    : byteLevel(file, json, texts, merges);
  addTokens(list, added);
  const begin = firstOfTemplate(json["post_processor"]);
  const bos = added.find(({ text }) => text === begin);
  return { ...list, addBos: bos !== undefined };
}

/** What stands before a token that goes on within a word. */
const CONTINUED = "##";

/** BERT's: in GGUF files tokens that begin a word are marked, and not those that go on. */
function wordPiece(file: string, json: JsonObject, model: JsonObject): TokenList {
  const prefix = model["continuing_subword_prefix"] ?? CONTINUED;
  if (prefix !== CONTINUED) {
    throw unsupported(
      file,
      `its words go on with ${quote(JSON.stringify(prefix))}, not ${CONTINUED}`,
    );
  }
  const texts = Array.from(parseVocab(file, model["vocab"]), markWordBegin);
  const list: TokenList = { model: "bert", pre: "default", texts, kinds: [], special: {} };
  addTokens(list, parseAdded(file, json["added_tokens"]));
  return list;
}

/** A token as `##` marks it, in the way of GGUF files; markers in brackets stay as they are. */
export function markWordBegin(text: string | undefined): string | undefined {
  if (text === undefined || /^\[.*\]$/u.test(text)) return text;
  return text.startsWith(CONTINUED) ? text.slice(CONTINUED.length) : `${BLANK}${text}`;
}

function byteLevel(
  file: string,
  json: JsonObject,
  texts: (string | undefined)[],
  merges: readonly string[],
): TokenList {
  const pre = preTokenizerName(file, json["pre_tokenizer"]);
  return { model: "gpt2", pre, texts, kinds: [], merges, special: {} };
}

/** Blanks become {@linkcode BLANK} before anything else happens, and what is unknown falls back to bytes. */
function isSentencePieceLike(json: JsonObject): boolean {
  const steps = [...flatten(json["normalizer"]), ...flatten(json["pre_tokenizer"])];
  return steps.some(
    (step) =>
      step["type"] === "Metaspace" || (step["type"] === "Replace" && step["content"] === BLANK),
  );
}

/**
 * SentencePiece ranks pairs by the score of what they make, this file by their place in a list: the first pair that
 * makes a token gives it its score.
 */
function sentencePieceLike(
  file: string,
  json: JsonObject,
  model: JsonObject,
  texts: (string | undefined)[],
  merges: readonly string[],
): TokenList {
  const ids = new Map(Array.from(texts, (text, id) => [text, id] as const));
  const scores = Array.from(texts, () => NO_SCORE - merges.length);
  for (let rank = merges.length - 1; rank >= 0; rank--) {
    const id = ids.get(merges[rank]!.replace(" ", ""));
    if (id === undefined) throw malformed(file, `merge ${rank} makes no token`);
    scores[id] = -rank;
  }
  const unk = model["unk_token"];
  const kinds = Array.from(texts, (text) => {
    if (text !== undefined && /^<0x[0-9A-F]{2}>$/.test(text)) return TOKEN_KIND.byte;
    return text === unk ? TOKEN_KIND.unknown : TOKEN_KIND.normal;
  });
  const steps = [...flatten(json["normalizer"]), ...flatten(json["pre_tokenizer"])];
  const addSpacePrefix = steps.some(
    (step) =>
      step["type"] === "Prepend" ||
      (step["type"] === "Metaspace" &&
        step["prepend_scheme"] !== "never" &&
        step["add_prefix_space"] !== false),
  );
  const id = typeof unk === "string" ? ids.get(unk) : undefined;
  return {
    model: "llama",
    pre: "default",
    texts,
    kinds,
    scores,
    addSpacePrefix,
    special: id === undefined ? {} : { unk: id },
  };
}

function parseVocab(file: string, value: unknown): (string | undefined)[] {
  const vocab = asObject(value);
  if (vocab === undefined) throw malformed(file, "its model has no vocab");
  const texts: (string | undefined)[] = [];
  for (const [text, id] of Object.entries(vocab)) texts[tokenId(file, text, id)] = text;
  return texts;
}

/** Each pair as `left right`, however the file writes it. */
function parseMerges(file: string, value: unknown): readonly string[] {
  const merges = asArray(value);
  if (merges.length > MAX_RANKS) {
    throw malformed(file, `it has ${merges.length} merges, at most ${MAX_RANKS} may be`);
  }
  return merges.map((merge, rank) => {
    const parts = typeof merge === "string" ? merge.split(" ") : asArray(merge);
    const [left, right] = parts;
    if (parts.length === 2 && isText(left) && isText(right)) return `${left} ${right}`;
    throw malformed(file, `merge ${rank} is not two tokens`);
  });
}

/** Symbols of both kinds of vocabulary spell blanks otherwise. */
function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "" && !value.includes(" ");
}

function parseAdded(file: string, value: unknown): AddedToken[] {
  return asArray(value).map((item) => {
    const { id, content, special } = asObject(item) ?? {};
    if (typeof content !== "string") throw malformed(file, "an added token has no content");
    return { id: tokenId(file, content, id), text: content, special: special === true };
  });
}

/** The token that a processor puts before every text, if it does. */
function firstOfTemplate(value: unknown): string | undefined {
  const processor = asObject(value);
  if (processor?.["type"] === "Sequence") {
    return asArray(processor["processors"]).map(firstOfTemplate).find(isText);
  }
  if (processor?.["type"] !== "TemplateProcessing") return undefined;
  const [first] = asArray(processor["single"]);
  const name = asObject(asObject(first)?.["SpecialToken"])?.["id"];
  return typeof name === "string" ? name : undefined;
}
