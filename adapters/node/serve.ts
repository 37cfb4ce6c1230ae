import { randomUUID } from "node:crypto";
import type { Server } from "node:http";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createAdaptorServer } from "@hono/node-server";
import { createApp } from "../../core/http/app.ts";
import type { HttpLimits, LogRecord, ServedModel, ServerState } from "../../core/http/deps.ts";
import { createDrain } from "./drain.ts";
import { DEFAULT_HOST, DEFAULT_PORT, listen } from "./listen.ts";
import { loadLocal, type LoadedModel, type LoadOptions } from "./load.ts";
import { packageVersion } from "./package-root.ts";

/** How to serve a model. */
export interface ServeOptions {
  readonly load: LoadOptions;
  /** Address to listen on; the default takes connections of this machine only. */
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port?: number;
  /** Name of the model for requests; by default the file's, without `.gguf`. */
  readonly name?: string;
  /** Further names that requests may use. */
  readonly aliases?: readonly string[];
  /** Serve on for so long after `close`, while readiness fails and load balancers turn away. */
  readonly drainDelayMs?: number;
  /** Then let running requests take so long to end before they are cut off. */
  readonly graceMs?: number;
  /** Takes a record of every request and of what happens to the server; never prompts or answers. */
  readonly log?: (record: LogRecord) => void;
  readonly limits?: Partial<HttpLimits>;
}

/** A server that listens; its model may still be loading. */
export interface RunningServer {
  /** `http://127.0.0.1:8080`, without a final slash. */
  readonly url: string;
  /** The model once it answers. Rejects with what `loadLocal` rejects with. */
  readonly ready: Promise<LoadedModel>;
  /** Drain, then stop. Resolves when the last request has ended. */
  close(): Promise<void>;
}

/** A client sends its headers at once; a slow one holds a connection and nothing else. */
const HEADERS_TIMEOUT_MS = 15_000;
/** The whole request, body included; the application bounds the body on its own. */
const REQUEST_TIMEOUT_MS = 60_000;
/** Longer than the 60 s of common load balancers, which then never send into a closing connection. */
const KEEP_ALIVE_MS = 65_000;
/** With Node's default of 30 s the limits above would hold only roughly. */
const TIMEOUT_CHECK_MS = 5000;
/** Inside the 30 s that orchestrators usually wait before they kill. */
const DEFAULT_GRACE_MS = 25_000;

/**
 * Serve a model over HTTP. Resolves as soon as the server listens: while the model loads, requests wait
 * and readiness fails. Rejects with `INSUFFICIENT_RESOURCES` where it cannot listen.
 */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { log = () => {}, drainDelayMs = 0, graceMs = DEFAULT_GRACE_MS } = options;
  const loading = new AbortController();
  const models: ServedModel[] = [];
  let state: ServerState = "loading";
  let loaded: LoadedModel | undefined;

  const app = createApp({
    models: () => models,
    state: () => state,
    version: packageVersion(),
    now: () => performance.now(),
    wallClock: () => Date.now(),
    randomId: () => randomUUID(),
    log,
    memory: () => ({ rss: process.memoryUsage.rss(), ...loaded?.engine.info.memory }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  const server = createServer((request) => app.fetch(request));
  const url = await listen(server, options.host ?? DEFAULT_HOST, options.port ?? DEFAULT_PORT);
  const drain = createDrain(server);
  log({ level: "info", event: "listening", url });

  const ready = prepare(options, loading.signal, async (model) => {
    loaded = model;
    models.push(await toServed(model, options));
    if (state === "loading") state = "ready";
  });
  void watch(ready, log);

  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    state = "leaving";
    log({ level: "info", event: "leaving" });
    if (drainDelayMs > 0) await sleep(drainDelayMs);
    state = "draining";
    loading.abort();
    await drain.finish(graceMs, async () => {
      const model = await ready.catch(() => undefined);
      await model?.close();
    });
    log({ level: "info", event: "stopped" });
  };
  return { url, ready, close: () => (closed ??= close()) };
}

async function prepare(
  { load }: ServeOptions,
  signal: AbortSignal,
  onLoaded: (model: LoadedModel) => Promise<void>,
): Promise<LoadedModel> {
  const model = await loadLocal({
    ...load,
    identify: true,
    signal: load.signal === undefined ? signal : AbortSignal.any([signal, load.signal]),
  });
  try {
    await onLoaded(model);
    return model;
  } catch (error) {
    await model.close();
    throw error;
  }
}

async function toServed(model: LoadedModel, options: ServeOptions): Promise<ServedModel> {
  return {
    id: options.name ?? basename(options.load.model).replace(/\.gguf$/i, ""),
    aliases: options.aliases ?? [],
    created: Math.floor(Date.now() / 1000),
    engine: model.engine,
    tokenizer: model.tokenizer,
    template: model.template,
    contextLength: model.engine.info.contextLength,
    digest: await model.digest(),
    ownedBy: "sirocco",
  };
}

function createServer(fetch: (request: Request) => Response | Promise<Response>): Server {
  const server = createAdaptorServer({
    fetch,
    // Library users keep their own `Request` and `Response`.
    overrideGlobalObjects: false,
    serverOptions: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    },
  });
  return server as Server;
}

/** Say so when the model dies; liveness fails from then on, and whoever supervises restarts. */
async function watch(ready: Promise<LoadedModel>, log: (record: LogRecord) => void): Promise<void> {
  // A model that was never there is the business of whoever awaits `ready`.
  const model = await ready.catch(() => undefined);
  const death = await model?.died;
  if (death !== undefined) log({ level: "error", event: "model_died", message: death.message });
}
