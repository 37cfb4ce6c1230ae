import { toUnitLength } from "../engine/embed-job.ts";
import type { EmbedRequest } from "../engine/engine.ts";
import { RuntimeError } from "../errors.ts";
import { abortWith } from "./abort.ts";
import { readJson } from "./body.ts";
import { toTokens } from "./completions.ts";
import type { ServedModel } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import { findModel } from "./find-model.ts";
import type { Server } from "./pipeline.ts";
import { untilServing } from "./serving.ts";
import type { AskedEmbeddings } from "./wire/asked.ts";

/** What differs between the APIs. */
export interface EmbedRoute {
  parse(body: unknown): AskedEmbeddings;
  /** The answer; vectors in the order of the inputs. */
  write(embedded: Embedded, asked: AskedEmbeddings): object;
}

/** Vectors of length 1, and what they took. */
export interface Embedded {
  readonly id: string;
  readonly model: string;
  readonly vectors: readonly Float32Array[];
  readonly promptTokens: number;
  readonly milliseconds: number;
}

/**
 * Texts of one request that the engine has at once: enough to fill its steps, and a request with thousands
 * does not fill the queue.
 */
const AT_ONCE = 4;

/** Texts to vectors: as `complete` does, without anything to stream. Throws `RuntimeError`. */
export async function embed(
  request: Request,
  route: EmbedRoute,
  exchange: Exchange,
  server: Server,
): Promise<Response> {
  const { deps, limits } = server;
  await untilServing(deps, limits, request);
  const asked = route.parse(await readJson(request, limits));
  const model = findModel(deps.models(), asked.model);
  exchange.note({ model: model.id, inputs: asked.inputs.length });
  exchange.caller.checkModel(model.id);
  const texts = asked.inputs.map((input, i) => toFitting(input, i, model, asked));
  const promptTokens = texts.reduce((sum, { length }) => sum + length, 0);
  exchange.note({ prompt_tokens: promptTokens });
  exchange.reserve(promptTokens, 0, 0);
  const leaving = abortWith(request.signal);
  const { tenant, priority } = exchange.caller;
  const began = deps.now();
  try {
    const { pooling = "mean" } = model;
    const embedOne = (tokens: readonly number[]): Promise<Float32Array> =>
      model.engine.embed({ tokens, pooling, tenant, priority, signal: leaving.signal });
    const vectors = await inTurns(texts, embedOne);
    const milliseconds = deps.now() - began;
    const id = `embd-${deps.randomId()}`;
    const cut = vectors.map((vector) => shorten(vector, asked));
    const embedded = { id, model: model.id, vectors: cut, promptTokens, milliseconds };
    const headers: Record<string, string> = {
      "server-timing": `embed;dur=${milliseconds.toFixed(1)}`,
    };
    if (asked.ignored.length > 0) headers["x-sirocco-ignored"] = asked.ignored.join(", ");
    return Response.json(route.write(embedded, asked), { headers });
  } finally {
    // Where one failed, the others need not go on.
    leaving.abort();
    leaving.release();
  }
}

/** The tokens of an input that the context holds. Throws `CONTEXT_LENGTH_EXCEEDED`. */
export function toFitting(
  input: string | readonly number[],
  index: number,
  { tokenizer, contextLength }: Pick<ServedModel, "tokenizer" | "contextLength">,
  { truncate, inputParam }: Pick<AskedEmbeddings, "truncate" | "inputParam">,
): EmbedRequest["tokens"] {
  const text = toTokens(input, tokenizer, `${inputParam}[${index}]`);
  // Whoever sends tokens has closed them.
  const closing =
    typeof input === "string" && tokenizer.closing !== undefined ? [tokenizer.closing] : [];
  const tokens = [...text, ...closing];
  if (tokens.length <= contextLength) return tokens;
  if (truncate) return [...text.slice(0, contextLength - closing.length), ...closing];
  throw new RuntimeError(
    "CONTEXT_LENGTH_EXCEEDED",
    `This model's maximum context length is ${contextLength} tokens; input ${index} has ${tokens.length}. Shorten it`,
    { param: inputParam },
  );
}

/** `run` of all items, a few at a time; results in the order of the items. */
async function inTurns<T, R>(
  items: readonly T[],
  run: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  const rest = items.entries();
  const work = async (): Promise<void> => {
    for (const [i, item] of rest) results[i] = await run(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
}

/** The first `dimensions` of a vector, at length 1 again. Throws `INVALID_REQUEST` where it has fewer. */
function shorten(vector: Float32Array, { dimensions }: AskedEmbeddings): Float32Array {
  if (dimensions === undefined || dimensions === vector.length) return vector;
  if (dimensions > vector.length) {
    throw new RuntimeError(
      "INVALID_REQUEST",
      `Cannot accept 'dimensions': this model's embeddings have ${vector.length}`,
      { param: "dimensions" },
    );
  }
  return toUnitLength(Float64Array.from(vector.subarray(0, dimensions)));
}
