import { createServer, type Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { answerAtHand, type Listener } from "./answer-at-hand.ts";
import { createDrain } from "./drain.ts";
import { LightResponse } from "./light-response.ts";
import { lingerOnClose } from "./lingering-close.ts";
import { listen } from "./listen.ts";
import { createUndiciTransport } from "./pool/undici-transport.ts";
import {
  serveEdge as serveFromPool,
  serveModel,
  type Listen,
  type ListeningServer,
  type Platform,
  type RunningServer,
  type ServeOptions,
  type ServerOptions,
} from "./serve-model.ts";

export type { ListeningServer, RunningServer, ServeOptions, ServerOptions } from "./serve-model.ts";

/** A client sends its headers at once; a slow one holds a connection and nothing else. */
const HEADERS_TIMEOUT_MS = 10_000;
/** The whole request, body included; the application bounds the body on its own. */
const REQUEST_TIMEOUT_MS = 60_000;
/** Longer than the 60 s of common load balancers, which then never send into a closing connection. */
const KEEP_ALIVE_MS = 65_000;
/** With Node's default of 30 s the limits above would hold only roughly. */
const TIMEOUT_CHECK_MS = 5000;

/**
 * Serve a model over HTTP. Resolves as soon as the server listens: while the model loads, requests wait
 * and readiness fails. Rejects with `INSUFFICIENT_RESOURCES` where it cannot listen.
 */
export function serve(options: ServeOptions): Promise<RunningServer> {
  return serveModel(listenHttp, options, PLATFORM);
}

/**
 * Serve the models of a pool over HTTP, with none here: a cache, keys and limits in front of other servers.
 * Resolves as soon as the server listens. Rejects with `INVALID_REQUEST` where there is no pool.
 */
export function serveEdge(options: ServerOptions): Promise<ListeningServer> {
  return serveFromPool(listenHttp, options, PLATFORM);
}

const PLATFORM: Platform = { Response: LightResponse, createTransport: createUndiciTransport };

const listenHttp: Listen = async ({ fetch, lane }, host, port) => {
  // Library users keep their own `Request` and `Response`.
  const ordinary = getRequestListener((request) => fetch(request), {
    overrideGlobalObjects: false,
  });
  const server = openServer(lane === undefined ? ordinary : answerAtHand(lane, ordinary));
  const url = await listen(server, host, port);
  const drain = createDrain(server);
  return { url, finish: (graceMs, stop) => drain.finish(graceMs, stop) };
};

function openServer(listener: Listener): Server {
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    },
    (incoming, outgoing) => void listener(incoming, outgoing),
  );
  lingerOnClose(server);
  return server;
}
