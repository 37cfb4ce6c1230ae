import { Hono } from "hono";
import { cors } from "hono/cors";
import { RuntimeError } from "../errors.ts";
import { createMetrics, type Metrics } from "../metrics/metrics.ts";
import { PROMETHEUS_CONTENT_TYPE } from "../metrics/prometheus.ts";
import { ANSWER_PATHS, API_ROUTES } from "./apis.ts";
import { DEFAULT_LIMITS, type AppDeps, type HttpLimits } from "./deps.ts";
import type { Scope } from "./edge/access.ts";
import { cacheRoutes } from "./cache-admin.ts";
import { corsOptions } from "./edge/cors.ts";
import { readAhead } from "./body.ts";
import type { Exchange, Reply } from "./exchange.ts";
import { createExpressLane, LIST_PATH, toList } from "./express-lane.ts";
import { createHitLane, MOST_LANE_BYTES, type HitLane, type OwnLane } from "./hit-lane.ts";
import { liveness, readiness, startup, type Health } from "./health.ts";
import { allModels, findAnywhere } from "./found-model.ts";
import { toWireModel } from "./models.ts";
import { BROWSER_CSP, PAGE_CSP, PAGE_HTML } from "./page/generated.ts";
import { pathOf } from "./path.ts";
import type { Server } from "./pipeline.ts";
import { createRequestMemo } from "./request-memo.ts";
import { createServe, json, refuse } from "./serve.ts";
import { createDownloads, ISOLATED, sendCode } from "./shared-file.ts";
import { createServerMetrics } from "./server-metrics.ts";
import { OWN_TIMERS } from "./time-limit.ts";

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

type Method = "GET" | "POST" | "DELETE";

type AppRoute = readonly [Method, string, Scope, Handler];

type Handler = (request: Request, exchange: Exchange) => Response | Promise<Response>;

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
  const { corsOrigins = [], timeLimit = OWN_TIMERS } = deps;
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
    ["GET", "/", "public", () => page(deps.browserCode !== undefined)],
    ...browserRoutes(deps, limits),
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
  const posted = new Map(
    routes.flatMap(([method, path, scope, handler]) =>
      method === "POST" ? [[path, { scope, handler }] as const] : [],
    ),
  );

  /** A question to a model needs no router: its path has no parameters. */
  function direct(request: Request): Promise<Response> | undefined {
    if (request.method !== "POST" || corsOrigins.length > 0) return undefined;
    const found = posted.get(pathOf(request.url));
    if (found === undefined) return undefined;
    const length = request.headers.get("content-length");
    const opened =
      length !== null && Number(length) <= MOST_LANE_BYTES ? lane?.open(request) : undefined;
    return opened === undefined
      ? serve(request, found.scope, found.handler)
      : fromMemory(request, opened, (exchange) =>
          serve(request, found.scope, found.handler, exchange),
        );
  }

  async function fromMemory(
    request: Request,
    opened: NonNullable<ReturnType<OwnLane["open"]>>,
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

function notFound(path: string): RuntimeError {
  return new RuntimeError("NOT_FOUND", `Cannot find ${path.slice(0, 200)}`);
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

function decoded(written: string): string {
  try {
    return decodeURIComponent(written);
  } catch {
    // What is not written as URLs are names nothing.
    return written;
  }
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

/** What a browser needs to answer by itself; no routes where it may not have it. */
function browserRoutes(deps: AppDeps, limits: HttpLimits): readonly AppRoute[] {
  const { browserCode } = deps;
  if (browserCode === undefined) return [];
  const downloads = createDownloads(limits);
  return [
    [
      "GET",
      `${CODE_PATH}:path{.+}`,
      "public",
      (_, { path }) => {
        const file = browserCode.get(path.slice(CODE_PATH.length));
        if (file === undefined) throw notFound(path);
        return sendCode(file, limits);
      },
    ],
    [
      "GET",
      `${FILES_PATH}:name`,
      "inference",
      (request, exchange) => {
        const name = decoded(exchange.path.slice(FILES_PATH.length));
        for (const { id, digest, files = [] } of deps.models()) {
          const file = files.find((each) => each.name === name);
          if (file === undefined) continue;
          exchange.note({ model: id });
          exchange.caller.checkModel(id);
          return downloads.send(request, file, digest);
        }
        throw notFound(exchange.path);
      },
    ],
  ];
}

/** Modules carry no keys, so the code is public; it says nothing of this server. */
const CODE_PATH = "/browser/";
/** Files of models. */
const FILES_PATH = "/models/";

function page(answersByItself: boolean): Response {
  return new Response(PAGE_HTML, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": answersByItself ? BROWSER_CSP : PAGE_CSP,
      // Threads share memory in pages that nothing else can look into.
      ...(answersByItself ? { ...ISOLATED, "cross-origin-opener-policy": "same-origin" } : {}),
      "referrer-policy": "no-referrer",
      "cache-control": "no-cache",
    },
  });
}
