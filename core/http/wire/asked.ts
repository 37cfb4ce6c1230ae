import type { AskedFormat } from "./answer-format.ts";
import type { ChatMessage } from "../../chat/template.ts";
import type { ToolUse } from "../../tools/tools.ts";
import type { SamplingParams } from "../../sampler/params.ts";

/** A request that has been checked: what both kinds of completion have in common. */
export interface Asked {
  readonly model: string;
  /** The field that holds the prompt, for errors about it. */
  readonly promptParam: "messages" | "prompt" | "input";
  /** As asked for; absent means as much as the context holds. */
  readonly maxTokens: number | undefined;
  readonly sampling: SamplingParams;
  /** Adapters that it takes; absent: those that the model's name says. */
  readonly lora?: readonly AskedLora[];
  /** Whether the seed was the client's choice and not ours: then even sampling is repeatable. */
  readonly seeded: boolean;
  readonly stop: readonly string[];
  /** What the answer has to be; absent: any text. */
  readonly format?: AskedFormat;
  /** Tools that it may call; only conversations have them. */
  readonly tools?: ToolUse;
  /** Alternatives to report beside each token's log-probability; absent: report none at all. */
  readonly logprobs: number | undefined;
  readonly stream: boolean;
  /** Answers to each prompt, and how many of the likeliest of them are sent. */
  readonly candidates: number;
  readonly choices: number;
  /** Whether a stream ends with a chunk that tells the usage. */
  readonly includeUsage: boolean;
  /** Parameters that were accepted and have no effect here. */
  readonly ignored: readonly string[];
}

/** An adapter by its number or by its name. */
export interface AskedLora {
  readonly id: number | undefined;
  readonly name: string | undefined;
  /** Absent: what it was loaded with. */
  readonly scale: number | undefined;
}

/** A checked request for the next turn of a conversation. */
export interface AskedChat extends Asked {
  readonly messages: readonly ChatMessage[];
  /** What the answer has to begin with, and whether it is sent along. */
  readonly prefill?: { readonly text: string; readonly sent: boolean };
}

/** A checked request for the continuation of texts, given as such or as tokens. */
export interface AskedCompletion extends Asked {
  readonly prompts: readonly (string | readonly number[])[];
  /** What follows the gap that the answer fills. */
  readonly suffix: string | undefined;
  /** Whether each answer repeats its prompt. */
  readonly echo: boolean;
}

/** A checked request for embeddings. */
export interface AskedEmbeddings {
  readonly model: string;
  readonly inputs: readonly (string | readonly number[])[];
  /** The field that holds them, for errors. */
  readonly inputParam: string;
  /** Length of the vectors; absent means the model's own. */
  readonly dimensions: number | undefined;
  /** Whether vectors are written as base64 of their floats. */
  readonly base64: boolean;
  /** Whether inputs longer than the context are cut off. */
  readonly truncate: boolean;
  readonly ignored: readonly string[];
}
