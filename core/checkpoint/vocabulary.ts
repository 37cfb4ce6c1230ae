import { malformed } from "../gguf/problem.ts";
import { MAX_RANKS } from "../tokenizer/merge.ts";
import { TOKEN_KIND } from "../tokenizer/vocabulary.ts";
import {
  asArray,
  asObject,
  fileIn,
  readObject,
  readText,
  readWhole,
  type JsonObject,
  type ModelFolder,
} from "./folder.ts";
import type { MetadataWriter } from "./metadata-writer.ts";
import { isSentencePiece, parseSentencePiece } from "./sentencepiece.ts";
import { parseTekken } from "./tekken.ts";
import { addTokens, NO_SCORE, tokenId, type AddedToken, type TokenList } from "./token-list.ts";
import { markWordBegin, parseTokenizerJson } from "./tokenizer-json.ts";

/**
 * Write the vocabulary and the chat template of a folder. Rows of the embedding beyond the vocabulary get tokens that
 * are never used, as llama.cpp's converter gives them.
 *
 * @param config `config.json`, which may name special tokens.
 * @param rows Rows of the embedding.
 */
export async function writeVocabulary(
  folder: ModelFolder,
  config: JsonObject,
  rows: number,
  writer: MetadataWriter,
): Promise<void> {
  const file = fileIn(folder, "tokenizer_config.json");
  const settings = (await readObject(folder, "tokenizer_config.json")) ?? {};
  const list = await readTokens(folder);
  addTokens(list, parseDecoder(file, settings["added_tokens_decoder"]));
  writeTokens(list, rows, writer);

  const addBos = flag(settings["add_bos_token"]) ?? list.addBos;
  writer.set("tokenizer.ggml.add_bos_token", "bool", addBos);
  writer.set("tokenizer.ggml.add_eos_token", "bool", flag(settings["add_eos_token"]));
  const prefix = flag(settings["add_prefix_space"]) ?? list.addSpacePrefix;
  if (list.model === "llama") writer.set("tokenizer.ggml.add_space_prefix", "bool", prefix);
  const generation = await readObject(folder, "generation_config.json");
  writeSpecial(list, settings, config, generation?.["eos_token_id"], writer);
  await writeTemplates(folder, settings, writer);
}

function flag(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

/** The first of the files that can be one, as llama.cpp's converter tries them. */
async function readTokens(folder: ModelFolder): Promise<TokenList> {
  const model = await readWhole(folder, "tokenizer.model");
  if (model !== undefined && isSentencePiece(model)) {
    return parseSentencePiece(fileIn(folder, "tokenizer.model"), model);
  }
  const json = await readObject(folder, "tokenizer.json");
  if (json !== undefined) return parseTokenizerJson(fileIn(folder, "tokenizer.json"), json);
  const words = await readText(folder, "vocab.txt");
  if (words !== undefined) {
    const texts = words
      .replace(/\r?\n$/, "")
      .split(/\r?\n/)
      .map(markWordBegin);
    return { model: "bert", pre: "default", texts, kinds: [], special: {} };
  }
  const tekken = await readObject(folder, "tekken.json");
  if (tekken !== undefined) return parseTekken(fileIn(folder, "tekken.json"), tekken);
  throw malformed(
    folder.name,
    "it has no vocabulary: expected tokenizer.json, tokenizer.model, tekken.json or vocab.txt",
  );
}

function parseDecoder(file: string, value: unknown): AddedToken[] {
  return Object.entries(asObject(value) ?? {}).map(([id, item]) => {
    const { content, special } = asObject(item) ?? {};
    if (typeof content !== "string") throw malformed(file, `added token ${id} has no content`);
    return { id: tokenId(file, content, Number(id)), text: content, special: special === true };
  });
}

function writeTokens(
  { model, pre, texts, kinds, scores, merges }: TokenList,
  rows: number,
  writer: MetadataWriter,
): void {
  const count = Math.max(texts.length, Math.min(rows, MAX_RANKS));
  const ids = Array.from({ length: count }, (_, id) => id);
  const isFree = (id: number): boolean => texts[id] === undefined;
  writer.set("tokenizer.ggml.model", "string", model);
  writer.set("tokenizer.ggml.pre", "string", pre);
  writer.set(
    "tokenizer.ggml.tokens",
    "string",
    ids.map((id) => texts[id] ?? `[PAD${id}]`),
  );
  writer.set(
    "tokenizer.ggml.token_type",
    "i32",
    Int32Array.from(ids, (id) =>
      isFree(id) ? TOKEN_KIND.unused : (kinds[id] ?? TOKEN_KIND.normal),
    ),
  );
  if (scores !== undefined) {
    writer.set(
      "tokenizer.ggml.scores",
      "f32",
      Float32Array.from(ids, (id) => scores[id] ?? NO_SCORE),
    );
  }
  writer.set("tokenizer.ggml.merges", "string", merges);
}

/** GGUF's names of special tokens by Hugging Face's. */
const SPECIAL = [
  ["bos", "bos"],
  ["eos", "eos"],
  ["unk", "unknown"],
  ["pad", "padding"],
  ["sep", "seperator"],
  ["cls", "cls"],
  ["mask", "mask"],
] as const;

function writeSpecial(
  { texts, special }: TokenList,
  settings: JsonObject,
  config: JsonObject,
  ends: unknown,
  writer: MetadataWriter,
): void {
  const known = (id: unknown): number | undefined =>
    typeof id === "number" && texts[id] !== undefined ? id : undefined;
  const named = (value: unknown): number | undefined => {
    const text = typeof value === "string" ? value : asObject(value)?.["content"];
    const id = typeof text === "string" ? texts.indexOf(text) : -1;
    return id < 0 ? undefined : id;
  };
  const configured = (value: unknown): number | undefined =>
    known(Array.isArray(value) ? value[0] : value);
  let eos: number | undefined;
  for (const [theirs, ours] of SPECIAL) {
    const id =
      named(settings[`${theirs}_token`]) ??
      configured(config[`${theirs}_token_id`]) ??
      known(special[theirs]);
    writer.set(`tokenizer.ggml.${ours}_token_id`, "u32", id);
    if (theirs === "eos") eos = id;
  }
  // Models that end a turn, a message and a text with different tokens list them all.
  const others = asArray(ends).filter((id) => id !== eos);
  writer.set("tokenizer.ggml.eot_token_id", "u32", known(others[0]));
  writer.set("tokenizer.ggml.eom_token_id", "u32", known(others[1]));
}

/** A file of its own goes before the settings, where a model may have several templates by name. */
async function writeTemplates(
  folder: ModelFolder,
  settings: JsonObject,
  writer: MetadataWriter,
): Promise<void> {
  const set = (name: unknown, source: unknown): void => {
    if (typeof source !== "string") return;
    const suffix = typeof name !== "string" || name === "default" ? "" : `.${name}`;
    writer.set(`tokenizer.chat_template${suffix}`, "string", source);
  };
  const given = settings["chat_template"];
  set(undefined, given);
  for (const item of asArray(given)) {
    const { name, template } = asObject(item) ?? {};
    set(name, template);
  }
  set(undefined, (await readObject(folder, "chat_template.json"))?.["chat_template"]);
  set(undefined, await readText(folder, "chat_template.jinja"));
}
