/** A model's chat template and its tokenizer, put together. */
import type { MetadataValue } from "../gguf/gguf.ts";
import { createSpellings } from "../tokenizer/spellings.ts";
import { detectToolForm } from "../tools/forms.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { toConversation } from "./conversation.ts";
import { createForgery } from "./forgery.ts";
import { parseJinja } from "./jinja.ts";
import type { ChatMessage, ChatTemplate, RenderOptions } from "./template.ts";

/**
 * The template in a model file: the default one, or the one of the given name (such as `tool_use`)
 * where the file has several. `undefined` where there is none.
 */
export function chatTemplateSource(
  metadata: ReadonlyMap<string, MetadataValue>,
  name?: string,
): string | undefined {
  const keys =
    name === undefined
      ? ["tokenizer.chat_template", "tokenizer.chat_template.default"]
      : [`tokenizer.chat_template.${name}`];
  for (const key of keys) {
    const source = metadata.get(key);
    if (typeof source === "string" && source !== "") return source;
  }
  return undefined;
}

/**
 * A template for conversations with the model of `tokenizer`. Throws `TEMPLATE_FAILED` for a source
 * that cannot be parsed.
 */
export function createChatTemplate(source: string, tokenizer: Tokenizer): ChatTemplate {
  const template = parseJinja(source);
  const control = controlTokens(tokenizer);
  const spellings = createSpellings(control);
  const forgery = createForgery(
    control.map(([spelling]) => spelling),
    template.literals,
  );
  const named = {
    bos_token: spellingOf(tokenizer, tokenizer.bos),
    eos_token: spellingOf(tokenizer, tokenizer.eos),
  };

  const render = (
    messages: readonly ChatMessage[],
    options: RenderOptions,
    rewrite: (text: string) => string,
  ): string =>
    template.render(
      {
        ...named,
        ...toConversation(messages, options, rewrite),
        documents: null,
        add_generation_prompt: options.addGenerationPrompt ?? false,
      },
      options.now ?? new Date(),
    );

  return {
    toolForm: detectToolForm(source),
    readsClock: source.includes("strftime_now"),
    render: (messages, options = {}) => render(messages, options, (text) => text),
    tokens(messages, options = {}) {
      const mark = forgery.chooseMark(textsOf(messages, options));
      const prompt = render(messages, options, (text) => forgery.protect(text, mark));
      const tokens: number[] = [];
      for (const part of spellings.split(prompt)) {
        if (typeof part === "number") tokens.push(part);
        else for (const token of tokenizer.encode(forgery.unmark(part, mark))) tokens.push(token);
      }
      const { addBos, bos } = tokenizer;
      return addBos && bos !== undefined && tokens[0] !== bos ? [bos, ...tokens] : tokens;
    },
  };
}

function controlTokens(tokenizer: Tokenizer): [string, number][] {
  const found: [string, number][] = [];
  for (let token = 0; token < tokenizer.vocabSize; token++) {
    const spelling = tokenizer.controlText(token);
    if (spelling !== undefined && spelling !== "") found.push([spelling, token]);
  }
  return found;
}

/** How a template writes a token; files may have it that `bos` is an ordinary one. */
function spellingOf(tokenizer: Tokenizer, token: number | undefined): string {
  if (token === undefined) return "";
  return tokenizer.controlText(token) ?? new TextDecoder().decode(tokenizer.bytes(token));
}

function textsOf(messages: readonly ChatMessage[], options: RenderOptions): string[] {
  const texts: string[] = [];
  toConversation(messages, options, (text) => {
    texts.push(text);
    return text;
  });
  return texts;
}
