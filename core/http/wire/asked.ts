import type { AskedFormat } from "./answer-format.ts";
import type { ChatMessage } from "../../chat/template.ts";
import type { SamplingParams } from "../../sampler/params.ts";

/** A request that has been checked: what both kinds of completion have in common. */
export interface Asked {
  readonly model: string;
  /** The field that holds the prompt, for errors about it. */
  readonly promptParam: "messages" | "prompt";
  /** As asked for; absent means as much as the context holds. */
  readonly maxTokens: number | undefined;
  readonly sampling: SamplingParams;
  readonly stop: readonly string[];
  /** What the answer has to be; absent: any text. */
  readonly format?: AskedFormat;
  /** Alternatives to report beside each token's log-probability; absent: report none at all. */
  readonly logprobs: number | undefined;
  readonly stream: boolean;
  /** Whether a stream ends with a chunk that tells the usage. */
  readonly includeUsage: boolean;
  /** Parameters that were accepted and have no effect here. */
  readonly ignored: readonly string[];
}

/** A checked request for the next turn of a conversation. */
export interface AskedChat extends Asked {
  readonly messages: readonly ChatMessage[];
}

/** A checked request for the continuation of a text, given as such or as tokens. */
export interface AskedCompletion extends Asked {
  readonly prompt: string | readonly number[];
}
