import { readJson } from "../body.ts";
import { type Capabilities, capabilitiesOf } from "../capabilities.ts";
import { chatPrompt } from "../chat.ts";
import { toTokens } from "../completions.ts";
import type { ServedModel } from "../deps.ts";
import type { EmbedRoute } from "../embeddings.ts";
import type { Exchange } from "../exchange.ts";
import { fillInTokens } from "../fill-in.ts";
import { allModels, isHere } from "../found-model.ts";
import type { PoolModel } from "../../pool/node-models.ts";
import { findModel } from "../find-model.ts";
import type { Route, Server } from "../pipeline.ts";
import { untilServing } from "../serving.ts";
import type { AskedChat } from "../wire/asked.ts";
import { check } from "../wire/check.ts";
import { flag, maybe, object, text } from "../wire/fields.ts";
import { chatPreload, generatePreload } from "./preload.ts";
import { parseGenerate, parseOllamaChat, parseOllamaEmbed, type AskedGenerate } from "./request.ts";
import { createGenerateFormat, createOllamaChatFormat, toOllamaEmbeddings } from "./response.ts";

/** `POST /api/chat`: the next turn of a conversation. */
export const ollamaChatRoute: Route<AskedChat> = {
  idPrefix: "",
  parse: parseOllamaChat,
  nothingAsked: chatPreload,
  prompts: (model, asked, now) => [chatPrompt(model, asked, now)],
  format: createOllamaChatFormat,
};

/** `POST /api/generate`: the answer to a prompt, its continuation, or what stands in a gap. */
export const generateRoute: Route<AskedGenerate> = {
  idPrefix: "",
  parse: parseGenerate,
  nothingAsked: generatePreload,
  prompts(model, asked, now) {
    const prompt = asked.messages.at(-1)!.content;
    if (asked.suffix !== undefined) return [{ tokens: fillInTokens(model, prompt, asked.suffix) }];
    if (asked.raw || model.template === undefined) {
      const given = asked.messages.map(({ content }) => content).join("\n\n");
      return [{ tokens: toTokens(given, model.tokenizer, "prompt") }];
    }
    return [chatPrompt(model, asked, now)];
  },
  format: createGenerateFormat,
};

/** `POST /api/embed`. */
export const ollamaEmbedRoute: EmbedRoute = { parse: parseOllamaEmbed, write: toOllamaEmbeddings };

/** `GET /api/version`. */
export function version(_request: Request, _exchange: Exchange, { deps }: Server): Response {
  return Response.json({ version: deps.version });
}

/** `GET /api/tags`: the models that there are. */
export function tags(_request: Request, _exchange: Exchange, { deps }: Server): Response {
  return Response.json({
    models: allModels(deps).map((one) => (isHere(one) ? toEntry(one) : toPoolEntry(one))),
  });
}

/** `GET /api/ps`: the models in memory, which are the same ones, and stay. */
export function running(_request: Request, _exchange: Exchange, { deps }: Server): Response {
  return Response.json({ models: deps.models().map(toRunning) });
}

function toRunning(model: ServedModel): object {
  return {
    ...toEntry(model),
    expires_at: new Date(NEVER).toISOString(),
    size_vram: 0,
    context_length: model.contextLength,
  };
}

/** The last second that four digits of a year can tell. */
const NEVER = Date.UTC(9999, 11, 31, 23, 59, 59);

const showRequest = object({ model: text(1, 256), verbose: maybe(flag()) });

/** `POST /api/show`: what is known of a model. */
export async function show(
  request: Request,
  exchange: Exchange,
  { deps, limits }: Server,
): Promise<Response> {
  await untilServing(deps, limits, request);
  const asked = check(showRequest, await readJson(request, limits));
  const model = findModel(deps.models(), asked.model.replace(/:latest$/, ""));
  exchange.note({ model: model.id });
  return Response.json({
    license: model.license ?? "",
    modelfile: "",
    parameters: "",
    template: "",
    details: toDetails(model),
    model_info: {
      "general.architecture": model.architecture ?? "unknown",
      "general.basename": model.id,
      [`${model.architecture ?? "unknown"}.context_length`]: model.contextLength,
      "tokenizer.ggml.vocab_size": model.engine.info.vocabSize,
    },
    capabilities: namesOf(capabilitiesOf(model)),
    modified_at: modifiedAt(model),
  });
}

/** What a served model does not tell is left empty: clients do nothing but show it. */
function toDetails({ architecture = "", quantization = "" }: Partial<ServedModel>): object {
  return {
    parent_model: "",
    format: "gguf",
    family: architecture,
    families: architecture === "" ? [] : [architecture],
    parameter_size: "",
    quantization_level: quantization,
  };
}

function toEntry(model: ServedModel): object {
  return {
    name: model.id,
    model: model.id,
    modified_at: modifiedAt(model),
    size: model.engine.info.memory.weights,
    digest: model.digest,
    details: toDetails(model),
  };
}

/** What nodes tell of a model in their own lists: neither its size nor its details. */
function toPoolEntry({ id, digest, listed }: PoolModel): object {
  const created = Number(listed["created"]);
  const isTime = created >= 0 && created * 1000 < NEVER;
  return {
    name: id,
    model: id,
    modified_at: modifiedAt({ created: isTime ? created : 0 }),
    size: 0,
    digest,
    details: toDetails({}),
  };
}

function modifiedAt({ created }: Pick<ServedModel, "created">): string {
  return new Date(created * 1000).toISOString();
}

/** What it can be asked for, in Ollama's words. */
function namesOf({ completion, embed, tools, fim }: Capabilities): readonly string[] {
  const has = { completion, embedding: embed, tools, insert: fim };
  return Object.entries(has).flatMap(([name, holds]) => (holds ? [name] : []));
}
