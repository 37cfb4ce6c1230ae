import { Hono } from "hono";
import { cors } from "hono/cors";
import { RuntimeError } from "../errors.ts";
import { createMetrics, type Metrics } from "../metrics/metrics.ts";
import { PROMETHEUS_CONTENT_TYPE } from "../metrics/prometheus.ts";
import { ANSWER_PATHS, API_ROUTES } from "./apis.ts";
import type { AppRoute, Handler, Method } from "./app-route.ts";
import { DEFAULT_LIMITS, type AppDeps, type HttpLimits } from "./deps.ts";
import { cacheRoutes } from "./cache-admin.ts";
import { createDirectLane } from "./direct-lane.ts";
import type { Scope } from "./edge/access.ts";
import { corsOptions } from "./edge/cors.ts";
import { createExpressLane, LIST_PATH, toList } from "./express-lane.ts";
import { createHitLane, type HitLane } from "./hit-lane.ts";
import { liveness, readiness, startup, type Health } from "./health.ts";
import { allModels, findAnywhere } from "./found-model.ts";
import { toWireModel } from "./models.ts";
import { pageRoutes } from "./page-routes.ts";
import { decoded, notFound } from "./path.ts";
import type { Server } from "./pipeline.ts";
import { createRequestMemo } from "./request-memo.ts";
import { createServe, json, refuse } from "./serve.ts";
import { createServerMetrics } from "./server-metrics.ts";

/** The server as one function, for every runtime's way of listening. */
export interface App {
  /** Never rejects. `env` is what some runtimes hand to a handler; it is not used. */
  fetch(request: Request, env?: unknown): Response | Promise<Response>;
  /** For adapters that answer from memory before they make a `Request`; absent where nothing is kept. */
  readonly lane: HitLane | undefined;
  /** What the server counts; others may add theirs. */
  readonly metrics: Metrics;
  /** Take other limits of requests from now on; those that are not given have their defaults again. */
  setLimits(limits: Partial<HttpLimits>): void;
  /** Every route of the router and the scope that it needs; none where somebody forgot to give one. */
  readonly routes: readonly RouteScope[];
}

/** A route and what it needs of a key. */
export interface RouteScope {
  /** `GET`, `POST`, or `ALL` for the answer to other methods. */
  readonly method: string;
  /** As hono writes it: `/v1/models/:id{.+}`. */
  readonly path: string;
  /** What a key must have to get through. */
  readonly scope: Scope | undefined;
}

/** The application: every route with the scope that it needs. What all requests share is in `serve.ts`. */
export function createApp(deps: AppDeps): App {
  const limits: HttpLimits = { ...DEFAULT_LIMITS, ...deps.limits };
  const metrics = createMetrics();
  const server: Server = {
    deps,
    limits,
    metrics: createServerMetrics(metrics, deps),
    ...(deps.caching === undefined ? {} : { memo: createRequestMemo(() => allModels(deps)) }),
  };
  const serve = createServe(server);
  const app = new Hono();
  const { corsOrigins = [] } = deps;
  if (corsOrigins.length > 0) app.use(cors(corsOptions(corsOrigins)));

  const live = probe(() => liveness(deps, limits));
  const ready = probe(() => readiness(deps, limits));
  const routes: readonly AppRoute[] = [
    ...API_ROUTES.map((route) => {
      const handler: Handler = (request, exchange) => route.answer(request, exchange, server);
      return [route.method, route.path, "inference", handler] as const;
    }),
    ["GET", LIST_PATH, "inference", () => json(toList(allModels(deps)))],
    ["GET", "/livez", "public", live],
    ["GET", "/healthz", "public", live],
    ["GET", "/readyz", "public", ready],
    ["GET", "/health", "public", ready],
    ["GET", "/ready", "public", ready],
    ["GET", "/startupz", "public", probe(() => startup(deps))],
    ["GET", "/metrics", "metrics", () => exposition(metrics)],
    ...pageRoutes(deps, limits),
    ...cacheRoutes(server).map(({ method, path, answer }): AppRoute => [
      method,
      path,
      "admin",
      answer,
    ]),
    // Ids may have slashes: organisation/model.
    [
      "GET",
      `${LIST_PATH}/:id{.+}`,
      "inference",
      (_, { path }) => json(toWireModel(findAnywhere(deps, idOf(path)))),
    ],
  ];
  const scopes = new Map<string, Scope>();
  for (const [method, path, scope, handler] of routes) {
    scopes.set(path, scope);
    app.on(method, path, (c) => serve(c.req.raw, scope, handler));
    app.all(path, (c) => serve(c.req.raw, scope, otherMethod(method)));
  }
  // Deny by default: what nobody knows is told only to who has a key.
  app.notFound((c) =>
    serve(c.req.raw, "inference", (_, { path }) => {
      throw notFound(path);
    }),
  );

  const lane = createHitLane(server, new Set(ANSWER_PATHS));
  const express = createExpressLane(deps, server.metrics);
  const direct = createDirectLane(routes, serve, lane, { deps, limits });

  return {
    fetch: (request) => express(request) ?? direct(request) ?? app.fetch(request),
    lane,
    metrics,
    setLimits: (next) => void Object.assign(limits, DEFAULT_LIMITS, next),
    routes: app.routes
      .filter(({ path }) => path !== EVERY_PATH)
      .map(({ method, path }) => ({ method, path, scope: scopes.get(path) })),
  };
}

/** The path of middleware. */
const EVERY_PATH = "/*";

const probe =
  (look: () => Health): Handler =>
  () =>
    toProbeAnswer(look());

/** The model that a path names. */
function idOf(path: string): string {
  return decoded(path.slice(LIST_PATH.length + 1));
}

/** A path that exists, asked in another way. */
function otherMethod(method: Method): Handler {
  const allow = method === "GET" ? "GET, HEAD, OPTIONS" : `${method}, OPTIONS`;
  return (request, exchange) => {
    if (request.method === "OPTIONS")
      return new Response(null, { status: 204, headers: { allow } });
    const error = new RuntimeError(
      "METHOD_NOT_ALLOWED",
      `Cannot ${request.method} ${exchange.path.slice(0, 200)}: use ${method}`,
    );
    return refuse(error, exchange, { allow });
  };
}

function toProbeAnswer({ fine, body }: Health): Response {
  return json(body, fine ? 200 : 503, { "cache-control": "no-store" });
}

function exposition(metrics: Metrics): Response {
  return new Response(metrics.render(), { headers: { "content-type": PROMETHEUS_CONTENT_TYPE } });
}
