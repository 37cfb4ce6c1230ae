import type { AppRoute } from "./app-route.ts";
import { readAhead } from "./body.ts";
import type { AppDeps, HttpLimits } from "./deps.ts";
import type { Exchange, Reply } from "./exchange.ts";
import { MOST_LANE_BYTES, type OpenedOwnLane, type OwnLane } from "./hit-lane.ts";
import { pathOf } from "./path.ts";
import type { Serve } from "./serve.ts";
import { OWN_TIMERS } from "./time-limit.ts";

/**
 * Serves questions to models, whose paths have no parameters, without the router, and from memory where their answer
 * is there. `undefined` for other requests, and for all of them where other origins have to be told more.
 */
export function createDirectLane(
  routes: readonly AppRoute[],
  serve: Serve,
  lane: OwnLane | undefined,
  { deps, limits }: { readonly deps: AppDeps; readonly limits: HttpLimits },
): (request: Request) => Promise<Response> | undefined {
  const { corsOrigins = [], timeLimit = OWN_TIMERS } = deps;
  const posted = new Map(
    routes.flatMap(([method, path, scope, handler]) =>
      method === "POST" ? [[path, { scope, handler }] as const] : [],
    ),
  );

  async function fromMemory(
    request: Request,
    opened: OpenedOwnLane,
    ordinary: (exchange: Exchange) => Promise<Response>,
  ): Promise<Response> {
    let reply: Reply | undefined;
    try {
      reply = opened.answer(await readAhead(request, limits, timeLimit));
    } catch {
      // What is wrong with the body is said where all refusals are.
    }
    const { exchange } = opened;
    return reply === undefined ? await ordinary(exchange) : exchange.toResponse(reply);
  }

  return (request) => {
    if (request.method !== "POST" || corsOrigins.length > 0) return undefined;
    const found = posted.get(pathOf(request.url));
    if (found === undefined) return undefined;
    const { scope, handler } = found;
    const length = request.headers.get("content-length");
    const opened =
      length !== null && Number(length) <= MOST_LANE_BYTES ? lane?.open(request) : undefined;
    if (opened === undefined) return serve(request, scope, handler);
    return fromMemory(request, opened, (exchange) => serve(request, scope, handler, exchange));
  };
}
