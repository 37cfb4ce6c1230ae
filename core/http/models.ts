import type { PoolModel } from "../pool/node-models.ts";
import { type Capabilities, capabilitiesOf } from "./capabilities.ts";
import type { ServedLora } from "./lora-models.ts";
import { fingerprint, isHere, readsClock, type FoundModel } from "./found-model.ts";

/** A model in OpenAI's list, with what we know beyond that under `sirocco`. */
export interface WireModel {
  readonly id: string;
  readonly object: "model";
  /** Unix seconds. */
  readonly created: number;
  readonly owned_by: string;
  /** Of the kinds of model that Mistral's clients know: none that was tuned. */
  readonly type: "base";
  /** What it can do, in Mistral's words. */
  readonly capabilities: {
    readonly completion_chat: boolean;
    readonly completion_fim: boolean;
    readonly function_calling: boolean;
  };
  readonly max_context_length: number;
  readonly aliases: readonly string[];
  /** The model that it is an adapter of. */
  readonly parent?: string;
  readonly sirocco: {
    readonly backend: string;
    readonly threads: number;
    readonly context_length: number;
    readonly digest: string;
    readonly aliases: readonly string[];
    readonly chat: boolean;
    /** What it can be asked for; anything else is refused. */
    readonly capabilities: Capabilities;
    /** Its adapters, each of which is listed as a model, too; what a request may name in `lora`. */
    readonly lora?: readonly (ServedLora & { readonly id: number })[];
    /** The name of its file below `/models`, where browsers may have it. */
    readonly file?: string;
    /** `system_fingerprint` of its answers. */
    readonly fingerprint: string;
    /** Whether its chat template looks at the clock, so that a request alone does not tell the prompt. */
    readonly reads_clock: boolean;
  };
}

/** A model as `GET /v1/models` shows it; one of the pool as its node does. */
export function toWireModel(model: FoundModel): WireModel | PoolModel["listed"] {
  if (!isHere(model)) return model.listed;
  const { backend, threads } = model.engine.info;
  const can = capabilitiesOf(model);
  return {
    id: model.id,
    object: "model",
    created: model.created,
    owned_by: model.ownedBy,
    type: "base",
    capabilities: {
      completion_chat: can.chat,
      completion_fim: can.fim,
      function_calling: can.tools,
    },
    max_context_length: model.contextLength,
    aliases: model.aliases ?? [],
    ...(model.base === undefined ? {} : { parent: model.base.id }),
    sirocco: {
      backend,
      threads,
      context_length: model.contextLength,
      digest: model.digest,
      aliases: model.aliases ?? [],
      chat: can.chat,
      capabilities: can,
      ...(model.loras === undefined
        ? {}
        : { lora: model.loras.map((lora, id) => ({ id, ...lora })) }),
      ...(model.files?.[0] === undefined ? {} : { file: model.files[0].name }),
      fingerprint: fingerprint(model),
      reads_clock: readsClock(model),
    },
  };
}
