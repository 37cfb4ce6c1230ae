import { Hono, type Context } from "hono";
import { cors } from "hono/cors";
import { matchedRoutes } from "hono/route";
import { RuntimeError } from "../errors.ts";
import { createMetrics, type Metrics } from "../metrics/metrics.ts";
import { PROMETHEUS_CONTENT_TYPE } from "../metrics/prometheus.ts";
import { RELAY_HEADER } from "../pool/relay-header.ts";
import { API_ROUTES } from "./apis.ts";
import { DEFAULT_LIMITS, type AppDeps, type HttpLimits } from "./deps.ts";
import { ANYONE, type Scope } from "./edge/access.ts";
import { corsOptions } from "./edge/cors.ts";
import { checkHost } from "./edge/host.ts";
import { beginExchange, type Exchange } from "./exchange.ts";
import { createExpressLane, toList } from "./express-lane.ts";
import { errorCode, toFailure } from "./failure.ts";
import { liveness, readiness, startup, type Health } from "./health.ts";
import { allModels, findAnywhere } from "./found-model.ts";
import { toWireModel } from "./models.ts";
import { PAGE_CSP, PAGE_HTML } from "./page/generated.ts";
import type { Server } from "./pipeline.ts";
import { createRequestMemo } from "./request-memo.ts";
import { createServerMetrics } from "./server-metrics.ts";

/** The server as one function, for every runtime's way of listening. */
export interface App {
  /** Never rejects. `env` is what some runtimes hand to a handler; it is not used. */
  fetch(request: Request, env?: unknown): Response | Promise<Response>;
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

type Env = { Variables: { exchange: Exchange } };
type Handler = (c: Context<Env>) => Response | Promise<Response>;

/** The application: middleware and routes in the order in which a request meets them. */
export function createApp(deps: AppDeps): App {
  const limits: HttpLimits = { ...DEFAULT_LIMITS, ...deps.limits };
  const metrics = createMetrics();
  const server: Server = {
    deps,
    limits,
    metrics: createServerMetrics(metrics, deps),
    ...(deps.caching === undefined ? {} : { memo: createRequestMemo(() => allModels(deps)) }),
  };
  const app = new Hono<Env>();

  app.use(async (c, next) => {
    const exchange = beginExchange(c.req.raw, deps, server.metrics);
    c.set("exchange", exchange);
    await next();
    for (const [name, value] of Object.entries(exchange.headers())) {
      c.res.headers.set(name, value);
    }
    if (!exchange.streaming) exchange.end(c.res.status);
  });

  const { access, hosts, corsOrigins = [] } = deps;
  if (corsOrigins.length > 0) app.use(cors(corsOptions(corsOrigins)));
  const scopes = new Map<string, Scope>();
  // Deny by default: a route that names no scope answers nobody, an unknown path only those with a key.
  app.use(async (c, next) => {
    if (hosts !== undefined) checkHost(c.req.raw, hosts);
    const path = matchedRoutes(c).find((route) => route.path !== EVERY_PATH)?.path;
    const scope = path === undefined ? "inference" : scopes.get(path);
    if (scope === undefined) throw new RuntimeError("INTERNAL", `${path} names no scope`);
    const caller = access === undefined ? ANYONE : await access.admit(c.req.raw.headers, scope);
    const exchange = c.get("exchange");
    exchange.admit(caller);
    if (scope === "inference" && c.req.method === "POST") caller.allowance.request();
    await next();
  });

  const live = probe(() => liveness(deps, limits));
  const ready = probe(() => readiness(deps, limits));
  const list: Handler = () => json(toList(allModels(deps)));
  const routes: readonly (readonly ["GET" | "POST", string, Scope, Handler])[] = [
    ...API_ROUTES.map((route) => {
      const handler: Handler = (c) => route.answer(c.req.raw, c.get("exchange"), server);
      return [route.method, route.path, "inference", handler] as const;
    }),
    ["GET", "/v1/models", "inference", list],
    // Ids may have slashes: organisation/model.
    [
      "GET",
      "/v1/models/:id{.+}",
      "inference",
      (c) => json(toWireModel(findAnywhere(deps, c.req.param("id") ?? ""))),
    ],
    ["GET", "/livez", "public", live],
    ["GET", "/healthz", "public", live],
    ["GET", "/readyz", "public", ready],
    ["GET", "/health", "public", ready],
    ["GET", "/ready", "public", ready],
    ["GET", "/startupz", "public", probe(() => startup(deps))],
    ["GET", "/metrics", "metrics", () => exposition(metrics)],
    ["GET", "/", "public", () => page()],
  ];
  for (const [method, path, scope, handler] of routes) {
    scopes.set(path, scope);
    app.on(method, path, handler);
    app.all(path, (c) => otherMethod(c, method));
  }

  app.notFound((c) =>
    refuse(c, new RuntimeError("NOT_FOUND", `Cannot find ${c.req.path.slice(0, 200)}`)),
  );
  app.onError((error, c) => {
    // Only a full queue has an estimate of its own of when to come back.
    const full = errorCode(error) === "QUEUE_FULL";
    return refuse(c, error, {}, full ? server.metrics.retryAfterSeconds() : undefined);
  });
  const express = createExpressLane(deps, server.metrics);
  return {
    fetch: (request) => express(request) ?? app.fetch(request),
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

/** An error as an answer, and as a fact for the log. */
function refuse(
  c: Context<Env>,
  error: unknown,
  headers: Readonly<Record<string, string>> = {},
  retryAfterSeconds?: number,
): Response {
  const exchange = c.get("exchange");
  exchange.fail(error);
  const failure = toFailure(error, retryAfterSeconds);
  // Whoever passed a request on writes its error as the client's API does.
  const { status, body } = c.req.raw.headers.has(RELAY_HEADER) ? failure : exchange.style(failure);
  return json(body, status, { ...failure.headers, ...headers });
}

/** A path that exists, asked in another way. */
function otherMethod(c: Context<Env>, method: "GET" | "POST"): Response {
  const allow = method === "GET" ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
  if (c.req.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  const error = new RuntimeError(
    "METHOD_NOT_ALLOWED",
    `Cannot ${c.req.method} ${c.req.path.slice(0, 200)}: use ${method}`,
  );
  return refuse(c, error, { allow });
}

function toProbeAnswer({ fine, body }: Health): Response {
  return json(body, fine ? 200 : 503, { "cache-control": "no-store" });
}

function exposition(metrics: Metrics): Response {
  return new Response(metrics.render(), { headers: { "content-type": PROMETHEUS_CONTENT_TYPE } });
}

function page(): Response {
  return new Response(PAGE_HTML, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": PAGE_CSP,
      "referrer-policy": "no-referrer",
      "cache-control": "no-cache",
    },
  });
}

function json(
  body: object,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return Response.json(body, { status, headers });
}
