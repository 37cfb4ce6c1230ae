import type { ToolFormName } from "../tools/forms.ts";

/** One turn of a conversation, as the OpenAI wire has it, content already reduced to text. */
export interface ChatMessage {
  /** Who speaks. */
  readonly role: "system" | "user" | "assistant" | "tool";
  /** What is said. */
  readonly content: string;
  /** The speaker's name, for templates that show it. */
  readonly name?: string;
  /** Id of the call that a `tool` message answers. */
  readonly toolCallId?: string;
  /** Calls that an `assistant` message made. */
  readonly toolCalls?: readonly ChatToolCall[];
}

/** A call that the model made in an earlier turn; `arguments` is JSON. */
export interface ChatToolCall {
  /** By which a `tool` message refers to the call. */
  readonly id: string;
  /** Which function, and its arguments. */
  readonly function: { readonly name: string; readonly arguments: unknown };
}

/** What a template is given beside the messages. */
export interface RenderOptions {
  /** End with the opening of an assistant turn. */
  readonly addGenerationPrompt?: boolean;
  /** Tools that the model may call, as OpenAI's `tools` has them. */
  readonly tools?: readonly unknown[];
  /** Clock for templates that print a date; fixed in tests. */
  readonly now?: Date;
}

/** A model's chat template. */
export interface ChatTemplate {
  /** How it writes calls of tools. */
  readonly toolForm: ToolFormName;
  /** Whether a prompt may depend on the time: then the same conversation is another prompt tomorrow. */
  readonly readsClock: boolean;
  /**
   * The prompt's text. Throws `TEMPLATE_FAILED` where the template refuses the conversation or
   * exceeds its budget of steps, output or depth.
   */
  render(messages: readonly ChatMessage[], options?: RenderOptions): string;
  /**
   * The prompt's tokens, `bos` included where the model wants it and the template has not written it.
   * Text of a message never yields a control token, whatever it spells; the template's own text does.
   */
  tokens(messages: readonly ChatMessage[], options?: RenderOptions): number[];
}
