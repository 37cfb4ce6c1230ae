import type { Scope } from "./edge/access.ts";
import type { Exchange } from "./exchange.ts";

/** Answers a request of somebody who may ask it. */
export type Handler = (request: Request, exchange: Exchange) => Response | Promise<Response>;

/** Methods that routes have. */
export type Method = "GET" | "POST" | "DELETE";

/** A path as hono writes it, what a key needs for it, and who answers. */
export type AppRoute = readonly [Method, string, Scope, Handler];
