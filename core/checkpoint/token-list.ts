import { malformed, quote } from "../gguf/problem.ts";
import { MAX_RANKS } from "../tokenizer/merge.ts";
import { TOKEN_KIND } from "../tokenizer/vocabulary.ts";

/** A vocabulary out of whatever file, as the metadata of a GGUF file will have it. */
export interface TokenList {
  /** `tokenizer.ggml.model`. */
  readonly model: "llama" | "gpt2" | "bert";
  /** `tokenizer.ggml.pre`. */
  readonly pre: string;
  /** By id; where there is no token, `undefined`. */
  readonly texts: (string | undefined)[];
  /** Values of {@linkcode TOKEN_KIND}, by id; normal where there is none. */
  readonly kinds: number[];
  /** By id; `llama` only. */
  readonly scores?: readonly number[];
  /** `gpt2` only. */
  readonly merges?: readonly string[];
  /** Whether a text begins with a blank that is not there; `llama` only. */
  readonly addSpacePrefix?: boolean;
  readonly addBos?: boolean;
  /** Ids that the file itself gives to special tokens: `bos`, `eos`, `unk`. */
  readonly special: Readonly<Record<string, number>>;
}

/** Score of a token that no merge makes. */
export const NO_SCORE = -1000;

/** A token's number, checked. Throws `MODEL_MALFORMED`. */
export function tokenId(file: string, text: string, id: unknown): number {
  if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < MAX_RANKS) return id;
  throw malformed(file, `token ${quote(text)} has the id ${quote(JSON.stringify(id) ?? "none")}`);
}

/** A token beside those of the model itself. */
export interface AddedToken {
  readonly id: number;
  readonly text: string;
  /** Whether it is a mark and no text. */
  readonly special: boolean;
}

/** Spelled like this, a token is a mark even where a file forgets to say so, as llama.cpp has it. */
const LOOKS_SPECIAL =
  /^(?:<\|[^]*\|>|<｜[^]*｜>|<unused\d+>|<(?:pad|mask|2mass|\[@BOS@\])>|<(?:start|end)_of_turn>)$/u;

/** Put added tokens in their places. */
export function addTokens(list: TokenList, added: readonly AddedToken[]): void {
  for (const { id, text, special } of added) {
    list.texts[id] = text;
    // What is unknown stays so: it is no mark that a text may hold.
    if (list.kinds[id] === TOKEN_KIND.unknown) continue;
    list.kinds[id] =
      special || LOOKS_SPECIAL.test(text) ? TOKEN_KIND.control : TOKEN_KIND.userDefined;
  }
}
