import type { AppDeps, ServedModel } from "./deps.ts";
import { checkHost } from "./edge/host.ts";
import { beginExchange } from "./exchange.ts";
import type { FoundModel } from "./found-model.ts";
import { toWireModel } from "./models.ts";
import { pathOf } from "./path.ts";
import type { ServerMetrics } from "./server-metrics.ts";

/** Where the list of models is. */
export const LIST_PATH = "/v1/models";

/**
 * Answers `GET /v1/models`, which clients and load balancers ask for all the time, without routing: the
 * text is kept, nothing is awaited, and a runtime that can write an answer at once does so. Everything
 * that differs from the ordinary goes the ordinary way: `undefined` for other requests, and for all of them
 * where keys, other origins or a foreign host have to be looked at.
 */
export function createExpressLane(
  deps: AppDeps,
  metrics: ServerMetrics,
): (request: Request) => Response | undefined {
  const { access, hosts, corsOrigins = [] } = deps;
  let listed: readonly ServedModel[] | undefined;
  let text = "";
  let length = "";

  function refresh(): void {
    const models = deps.models();
    if (models.length === listed?.length && models.every((model, i) => model === listed?.[i]))
      return;
    listed = [...models];
    text = JSON.stringify(toList(models));
    length = String(new TextEncoder().encode(text).byteLength);
  }

  return (request) => {
    const { method, url } = request;
    if (method !== "GET" || !url.endsWith(LIST_PATH) || pathOf(url) !== LIST_PATH) return undefined;
    if (deps.pool !== undefined || access?.open === false || corsOrigins.length > 0)
      return undefined;
    if (hosts !== undefined && !isAllowed(request, hosts)) return undefined;
    const exchange = beginExchange(request, deps, metrics);
    refresh();
    // As text: Node then writes headers and body to the socket as one.
    const response = exchange.respond({
      body: text,
      headers: { "content-type": "application/json", "content-length": length },
    });
    exchange.end(200);
    return response;
  };
}

/** `GET /v1/models` as an object. */
export function toList(models: readonly FoundModel[]): object {
  return { object: "list", data: models.map(toWireModel) };
}

function isAllowed(request: Request, hosts: readonly string[]): boolean {
  try {
    checkHost(request, hosts);
    return true;
  } catch {
    return false;
  }
}
