import { ANYONE, type Scope } from "./edge/access.ts";
import { checkHost } from "./edge/host.ts";
import { beginExchange, type Exchange } from "./exchange.ts";
import { errorCode, toFailure } from "./failure.ts";
import type { Server } from "./pipeline.ts";

/** Answers a request of somebody who has the scope that its route needs. */
export type Serve = (
  request: Request,
  scope: Scope,
  handler: (request: Request, exchange: Exchange) => Response | Promise<Response>,
  /** Where watching it has begun. */
  begun?: Exchange,
) => Promise<Response>;

/**
 * What every request meets, whatever its route: an id, the door, a record for log, metrics and trace. A handler
 * that throws is answered for. Never rejects.
 */
export function createServe({ deps, metrics }: Server): Serve {
  const { access, hosts } = deps;

  function admit(request: Request, scope: Scope, exchange: Exchange): void {
    if (hosts !== undefined) checkHost(request, hosts);
    if (access !== undefined) exchange.admit(access.admit(request.headers, scope));
  }

  return async (request, scope, handler, begun) => {
    const exchange = begun ?? beginExchange(request, deps, metrics);
    let response: Response;
    try {
      admit(request, scope, exchange);
      const { caller } = exchange;
      if (caller !== ANYONE && scope === "inference" && request.method === "POST")
        caller.allowance.request();
      response = await handler(request, exchange);
    } catch (error) {
      // Only a full queue has an estimate of its own of when to come back.
      const full = errorCode(error) === "QUEUE_FULL";
      response = refuse(error, exchange, {}, full ? metrics.retryAfterSeconds() : undefined);
    }
    for (const [name, value] of Object.entries(exchange.headers())) {
      response.headers.set(name, value);
    }
    if (!exchange.streaming) exchange.end(response.status);
    return response;
  };
}

/** An error as an answer, and as a fact for the log. */
export function refuse(
  error: unknown,
  exchange: Exchange,
  headers: Readonly<Record<string, string>> = {},
  retryAfterSeconds?: number,
): Response {
  exchange.fail(error);
  const failure = toFailure(error, retryAfterSeconds);
  const { status, body } = exchange.style(failure);
  return json(body, status, { ...failure.headers, ...headers });
}

/** An object as an answer. */
export function json(
  body: object,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return Response.json(body, { status, headers });
}
