/** How models write calls of tools, told by their chat templates. */
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/**
 * - `mistral`: `[TOOL_CALLS][{"name": …, "arguments": …}, …]`
 * - `mistral-args`: `[TOOL_CALLS]name[ARGS]{…}`, again for each call (Mistral's templates from v11 on)
 * - `hermes`: `<tool_call>{"name": …, "arguments": …}</tool_call>`, again for each call (Hermes, Qwen)
 * - `llama`: `{"name": …, "parameters": …}` as the whole turn, `<|python_tag|>` before it or not (Llama 3)
 * - `plain`: the template knows nothing of tools; a system message describes them and asks for `hermes`
 */
export type ToolFormName = "mistral" | "mistral-args" | "hermes" | "llama" | "plain";

/** The form that a chat template writes earlier calls in, and so the one that its model was trained on. */
export function detectToolForm(source: string): ToolFormName {
  if (!/\btools\b/.test(source)) return "plain";
  if (source.includes("[TOOL_CALLS]")) {
    return source.includes("[ARGS]") ? "mistral-args" : "mistral";
  }
  if (source.includes("<tool_call>")) return "hermes";
  return source.includes("<|python_tag|>") || source.includes('"parameters": ') ? "llama" : "plain";
}

/** A word that the model writes between text and calls: a control token where the vocabulary has it. */
export interface Sign {
  readonly token: number | undefined;
  /** As it stands in the answer's text, see {@linkcode ToolForm.spelled}. */
  readonly text: string;
}

/** A form in a vocabulary. */
export interface ToolForm {
  readonly name: ToolFormName;
  /** Before the first call; `llama` can do without. */
  readonly open: Sign;
  /** Behind a call, or between its name and its arguments. */
  readonly close: Sign;
  /** Control tokens that are to be seen in the answer's text, and how they are written there. */
  readonly spelled: ReadonlyMap<number, string>;
}

/**
 * What a control token's spelling follows in the text, a noncharacter: text that only looks like the token is text.
 */
const MARK = "\u{fdef}";

const SIGNS: Readonly<Record<ToolFormName, readonly [open: string, close: string]>> = {
  mistral: ["[TOOL_CALLS]", ""],
  "mistral-args": ["[TOOL_CALLS]", "[ARGS]"],
  hermes: ["<tool_call>", "</tool_call>"],
  llama: ["<|python_tag|>", ""],
  plain: ["<tool_call>", "</tool_call>"],
};

const controls = new WeakMap<Tokenizer, ReadonlyMap<string, number>>();

/** A form with the signs of a vocabulary. */
export function toolFormOf(name: ToolFormName, tokenizer: Tokenizer): ToolForm {
  let known = controls.get(tokenizer);
  if (known === undefined) controls.set(tokenizer, (known = controlsOf(tokenizer)));
  const spelled = new Map<number, string>();
  const [open, close] = SIGNS[name].map((word): Sign => {
    const token = known.get(word);
    if (token === undefined) return { token, text: word };
    spelled.set(token, MARK + word);
    return { token, text: MARK + word };
  });
  return { name, open: open!, close: close!, spelled };
}

function controlsOf(tokenizer: Tokenizer): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (let token = 0; token < tokenizer.vocabSize; token++) {
    const spelling = tokenizer.controlText(token);
    if (spelling !== undefined && !tokenizer.stops.has(token)) found.set(spelling, token);
  }
  return found;
}
