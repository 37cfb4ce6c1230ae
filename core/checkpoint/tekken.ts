/** `tekken.json`: Mistral's byte-level vocabularies, tokens in the order of their ranks behind the special ones. */
import { malformed } from "../gguf/problem.ts";
import { toByteText } from "../tokenizer/byte-text.ts";
import { TOKEN_KIND } from "../tokenizer/vocabulary.ts";
import { asArray, asObject, type JsonObject } from "./folder.ts";
import { patternName } from "./pre-tokenizers.ts";
import { tokenId, type TokenList } from "./token-list.ts";

/** Longer tokens exist (runs of blanks up to 128 bytes); every way to cut one is tried. */
const MAX_TOKEN_BYTES = 512;

/** The vocabulary, with merges derived from the ranks. Throws `MODEL_MALFORMED`, `MODEL_UNSUPPORTED`. */
export function parseTekken(file: string, json: JsonObject): TokenList {
  const config = asObject(json["config"]);
  const size = tokenId(file, "default_vocab_size", config?.["default_vocab_size"]);
  const specials = tokenId(
    file,
    "default_num_special_tokens",
    config?.["default_num_special_tokens"],
  );
  if (specials >= size) throw malformed(file, `${specials} of ${size} tokens are special`);
  const pre = patternName(file, config?.["pattern"]);
  const ranked = rankedTokens(file, json["vocab"], size - specials);

  const texts: string[] = Array.from({ length: specials }, (_, id) => `<SPECIAL_${id}>`);
  for (const item of asArray(json["special_tokens"])) {
    const { rank, token_str: text } = asObject(item) ?? {};
    if (typeof text !== "string") throw malformed(file, "a special token has no token_str");
    const id = tokenId(file, text, rank);
    if (id < specials) texts[id] = text;
  }
  const special: Record<string, number> = {};
  for (const [name, text] of [
    ["unk", "<unk>"],
    ["bos", "<s>"],
    ["eos", "</s>"],
  ] as const) {
    const id = texts.indexOf(text);
    if (id >= 0) special[name] = id;
  }
  return {
    model: "gpt2",
    pre,
    kinds: Array.from({ length: size }, (_, id) =>
      id < specials ? TOKEN_KIND.control : TOKEN_KIND.normal,
    ),
    merges: mergesOf(ranked),
    texts: [...texts, ...ranked],
    special,
  };
}

/** Tokens in the order of their ranks, each as a byte-level vocabulary spells it. */
function rankedTokens(file: string, vocab: unknown, count: number): string[] {
  const ranked: string[] = [];
  for (const item of asArray(vocab)) {
    const { rank, token_bytes: encoded } = asObject(item) ?? {};
    if (typeof encoded !== "string") throw malformed(file, "a token has no token_bytes");
    const id = tokenId(file, encoded, rank);
    if (id < count) ranked[id] = toByteText(fromBase64(file, encoded));
  }
  for (let id = 0; id < count; id++) {
    const length = ranked[id]?.length ?? 0;
    if (length < 1 || length > MAX_TOKEN_BYTES) {
      throw malformed(file, `the token of rank ${id} has ${length} bytes`);
    }
  }
  return ranked;
}

function fromBase64(file: string, text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    throw malformed(file, "a token's bytes are no base64");
  }
}

/** Every pair of tokens that makes a token, in the order of what it makes: that is how ranks merge. */
function mergesOf(ranked: readonly string[]): string[] {
  const known = new Set(ranked);
  const merges: string[] = [];
  for (const token of ranked) {
    // Each character of the spelling is one byte.
    for (let cut = 1; cut < token.length; cut++) {
      const left = token.slice(0, cut);
      const right = token.slice(cut);
      if (known.has(left) && known.has(right)) merges.push(`${left} ${right}`);
    }
  }
  return merges;
}
