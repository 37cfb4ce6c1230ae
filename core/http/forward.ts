import { RuntimeError } from "../errors.ts";
import { readRelay } from "../pool/relay-header.ts";
import type { PoolModel } from "../pool/node-models.ts";
import { parseBody, readText } from "./body.ts";
import type { Exchange } from "./exchange.ts";
import { findAnywhere, isHere } from "./found-model.ts";
import { passedHeaders } from "./passed-headers.ts";
import { passEvents, passWhole } from "./pass-through.ts";
import type { Server } from "./pipeline.ts";
import { checkIsHere } from "./relayed.ts";
import { untilServing } from "./serving.ts";
import { urgency } from "./urgency.ts";

/** Bytes of text to a token, at least: what a request is charged before a node has counted. */
const BYTES_PER_TOKEN = 2;

/** Whether this server has no model and others that have. */
export function onlyForwards({ deps }: Server): boolean {
  return deps.pool !== undefined && deps.models().length === 0;
}

/**
 * Pass a request on as it is: embeddings, counts of tokens, whatever is not an answer. A node checks it. Rejects
 * with `RuntimeError`.
 */
export async function forward(
  request: Request,
  exchange: Exchange,
  server: Server,
): Promise<Response> {
  const { deps, limits } = server;
  checkIsHere(readRelay(request.headers));
  await untilServing(deps, limits, request);
  const text = await readText(request, limits);
  const body = parseBody(text);
  const name =
    typeof body === "object" && body !== null && "model" in body ? body.model : undefined;
  if (typeof name !== "string") {
    throw new RuntimeError("INVALID_REQUEST", "Cannot accept a request that names no 'model'", {
      param: "model",
    });
  }
  const model = findAnywhere(deps, name.replace(/:latest$/, ""));
  if (isHere(model)) throw new RuntimeError("INTERNAL", "What is here need not be passed on");
  exchange.note({ model: model.id });
  exchange.caller.checkModel(model.id);
  exchange.reserve(tokensOf(text), 0, 0);
  return await forwardText(request, text, model, exchange, server);
}

/** Pass on a request of which everything is known but the answer. Rejects with `RuntimeError`. */
export async function forwardText(
  request: Request,
  text: string,
  model: PoolModel,
  exchange: Exchange,
  { deps, limits }: Server,
): Promise<Response> {
  const { pool } = deps;
  if (pool === undefined) throw new RuntimeError("INTERNAL", "There is no pool");
  const { deadlineMs } = urgency(request.headers, exchange.caller, deps.now() - exchange.arrived);
  const deadlineAt = deadlineMs === undefined ? undefined : deps.now() + deadlineMs;
  const receipt = request.headers.get("x-sirocco-receipt");
  const response = await pool.forward({
    path: exchange.path,
    body: text,
    headers: () => ({
      ...passedHeaders(request, exchange, deps, deadlineAt),
      ...(receipt === null ? {} : { "x-sirocco-receipt": receipt }),
    }),
    fingerprint: model.fingerprint,
    affinity: exchange.caller.tenant,
    signal: request.signal,
  });
  const streams = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  return streams ? passEvents(response, exchange, limits) : await passWhole(response);
}

/** Tokens that a body may hold, at most and roughly. */
export function tokensOf(text: string): number {
  return Math.ceil(text.length / BYTES_PER_TOKEN);
}
