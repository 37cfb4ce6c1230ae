import { RuntimeError } from "../errors.ts";
import type { ServedModel } from "./deps.ts";
import { canFillIn } from "./fill-in.ts";

/** What a model can be asked for. */
export interface Capabilities {
  /** Conversations: its file has a template. */
  readonly chat: boolean;
  /** Texts to go on with. */
  readonly completion: boolean;
  /** What stands between two texts. */
  readonly fim: boolean;
  /** Calls of tools; a template that knows nothing of them gets them described in words. */
  readonly tools: boolean;
  /** Vectors of texts. */
  readonly embed: boolean;
}

/** What a model can be asked for. */
export function capabilitiesOf({ engine, template, tokenizer }: ServedModel): Capabilities {
  const generates = engine.info.embedsOnly !== true;
  const chat = generates && template !== undefined;
  return {
    chat,
    completion: generates,
    fim: generates && canFillIn(tokenizer),
    tools: chat,
    embed: true,
  };
}

/** Throws `INVALID_REQUEST` where a model embeds and nothing else. */
export function checkGenerates({ id, engine }: ServedModel): void {
  if (engine.info.embedsOnly !== true) return;
  throw new RuntimeError(
    "INVALID_REQUEST",
    `Cannot generate with '${id}': it embeds texts only; use /v1/embeddings`,
    { param: "model" },
  );
}
