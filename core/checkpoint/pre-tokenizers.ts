/** Which of the built-in ways to split a text a `tokenizer.json` asks for; its patterns are never compiled. */
import { quote, unsupported } from "../gguf/problem.ts";
import { asArray, asObject, type JsonObject } from "./folder.ts";

const LLAMA3 = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const QWEN2 = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const TEKKEN = String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** Names of core/tokenizer/split.ts by what is done to a text, one step behind another. */
const KNOWN: ReadonlyMap<string, string> = new Map([
  ["bytes with pattern", "gpt-2"],
  ["digits, bytes with pattern", "smollm"],
  [`split ${LLAMA3}, bytes`, "llama-bpe"],
  [`split ${QWEN2}, bytes`, "qwen2"],
  [`split ${TEKKEN}, bytes`, "tekken"],
]);

/** The name. Throws `MODEL_UNSUPPORTED` for ways that are not built in. */
export function preTokenizerName(file: string, preTokenizer: unknown): string {
  const steps = flatten(preTokenizer).map(describe).join(", ");
  const name = KNOWN.get(steps);
  if (name === undefined) {
    throw unsupported(file, `its way to split a text is not built in: ${quote(steps)}`);
  }
  return name;
}

/** The name of the pattern of a `tekken.json`. */
export function patternName(file: string, pattern: unknown): string {
  if (pattern === TEKKEN) return "tekken";
  throw unsupported(file, `its pattern is not built in: ${quote(String(pattern))}`);
}

/** The steps of a pre-tokenizer, which may be a sequence of them. */
export function flatten(value: unknown): readonly JsonObject[] {
  const step = asObject(value);
  if (step === undefined) return [];
  return step["type"] === "Sequence"
    ? asArray(step["pretokenizers"] ?? step["normalizers"]).flatMap(flatten)
    : [step];
}

function describe(step: JsonObject): string {
  switch (step["type"]) {
    case "ByteLevel":
      if (step["add_prefix_space"] === true) return "bytes after a blank";
      return step["use_regex"] === false ? "bytes" : "bytes with pattern";
    case "Digits":
      return step["individual_digits"] === true ? "digits" : "numbers";
    case "Split":
      return `split ${String(asObject(step["pattern"])?.["Regex"])}`;
    default:
      return String(step["type"]);
  }
}
