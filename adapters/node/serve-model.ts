import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { EngineChange } from "../../core/engine/engine-succession.ts";
import { createSharedTimer } from "../../core/http/time-limit.ts";
import { createApp, type App } from "../../core/http/app.ts";
import type { EngineInfo } from "../../core/engine/engine.ts";
import type {
  AppDeps,
  HttpLimits,
  LogRecord,
  ServedModel,
  ServerState,
} from "../../core/http/deps.ts";
import { createAccess, type ApiKey } from "../../core/http/edge/access.ts";
import { allowedHosts } from "../../core/http/edge/host.ts";
import { modelsWith, type ServedLora } from "../../core/http/lora-models.ts";
import { RuntimeError } from "../../core/errors.ts";
import { POOL_EVENTS, POOL_GAP_SECONDS, TRACE_SPANS_LOST } from "../../core/metrics/names.ts";
import type { OverflowLimits } from "../../core/pool/overflow.ts";
import { createFetchTransport, type Transport } from "../../core/pool/transport.ts";
import { createExporter, type ExporterOptions } from "../../core/trace/exporter.ts";
import { openCaching, type CachingOptions } from "./cache/open-caching.ts";
import { engineRecord } from "./engine-log.ts";
import { DEFAULT_HOST, DEFAULT_PORT, listenFailure } from "./listen.ts";
import { modelName } from "./model-name.ts";
import { loadLocal, type LoadedModel, type LoadOptions } from "./load.ts";
import type { LoraFacts } from "./open-lora.ts";
import { watchLoopLag } from "./loop-lag.ts";
import { packageVersion } from "./package-root.ts";
import { openRungs, type PoolSettings, type UpstreamSettings } from "./pool/open-pool.ts";

/** How to serve a model. */
export interface ServeOptions extends ServerOptions {
  /** Which model and how to load it. */
  readonly load: LoadOptions;
  /** Name of the model for requests; by default the file's, without `.gguf`, or the folder's. */
  readonly name?: string;
  /** Further names that requests may use. */
  readonly aliases?: readonly string[];
}

/** How to serve, whether a model is here or in the pool. */
export interface ServerOptions {
  /** Address to listen on; the default takes connections of this machine only. */
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port?: number;
  /** Serve on for so long after `close`, while readiness fails and load balancers turn away. */
  readonly drainDelayMs?: number;
  /** Then let running requests take so long to end before they are cut off. */
  readonly graceMs?: number;
  /** Takes a record of every request and of what happens to the server; never prompts or answers. */
  readonly log?: (record: LogRecord) => void;
  /** Limits of requests that differ from the defaults. */
  readonly limits?: Partial<HttpLimits>;
  /** Who may do what; everybody everything where absent. */
  readonly keys?: readonly ApiKey[];
  /** Names in `Host` that are accepted beside those of loopback; away from loopback: instead of any. */
  readonly hosts?: readonly string[];
  /** Origins whose pages may read answers; none where absent. */
  readonly corsOrigins?: readonly string[];
  /** Where traces go; none are made where absent. */
  readonly tracing?: Omit<ExporterOptions, "version" | "onLost">;
  /**
   * Let browsers answer by themselves: whoever may ask the model may then download it. `false` unless given.
   */
  readonly shareModel?: boolean;
  /** Keep answers, and how; none are kept where absent. */
  readonly cache?: CachingOptions;
  /** Other servers of ours that answer what this one has no room for. */
  readonly pool?: PoolSettings;
  /** When requests go over to the pool. */
  readonly overflow?: Partial<OverflowLimits>;
  /** Somebody else's server, for when there is room nowhere. */
  readonly upstream?: UpstreamSettings;
}

/** A server that listens; its model may still be loading. */
export interface RunningServer extends ListeningServer {
  /** The model once it answers. Rejects with what `loadLocal` rejects with. */
  readonly ready: Promise<LoadedModel>;
}

/** A server that listens. */
export interface ListeningServer {
  /** `http://127.0.0.1:8080`, without a final slash. */
  readonly url: string;
  /** Take other keys from now on; running requests are left alone. */
  setKeys(keys: readonly ApiKey[] | undefined): void;
  /** Take other limits of requests from now on; those that are not given have their defaults again. */
  setLimits(limits: Partial<HttpLimits>): void;
  /**
   * Pass requests on to these servers and no others from now on, written as in `pool`; what runs elsewhere runs to its
   * end. Throws `INVALID_REQUEST` for addresses that are none, and where there is no pool or would be none any more.
   */
  setPool(nodes: readonly string[]): void;
  /** Drain, then stop. Resolves when the last request has ended. */
  close(): Promise<void>;
}

/** A socket that takes requests. */
export interface Listening {
  /** `http://127.0.0.1:8080`, without a final slash. */
  readonly url: string;
  /** Wait for running requests, at most `graceMs`, call `stop`, which ends what still runs, and close. */
  finish(graceMs: number, stop: () => Promise<void>): Promise<void>;
}

/** A runtime's way to listen. Throws or rejects with the runtime's own error where it cannot. */
export type Listen = (
  app: Pick<App, "fetch" | "lane">,
  host: string,
  port: number,
) => Listening | Promise<Listening>;

/** What a runtime does better than the web platform's own. */
export interface Platform {
  /** A class that the runtime's server writes faster than the global one. */
  readonly Response?: AppDeps["Response"];
  /** How the servers of a pool are reached; by `fetch` unless given. */
  readonly createTransport?: () => Transport;
}

/** Inside the 30 s that orchestrators usually wait before they kill. */
const DEFAULT_GRACE_MS = 25_000;

/**
 * Serve a model over HTTP, listening as the runtime does. Resolves as soon as the server listens: while
 * the model loads, requests wait and readiness fails.
 */
export async function serveModel(
  listen: Listen,
  options: ServeOptions,
  platform: Platform = {},
): Promise<RunningServer> {
  const { log = () => {} } = options;
  const loading = new AbortController();
  const served: Served = { models: [], state: "loading" };
  const stop = async (): Promise<void> => {
    const model = await ready.catch(() => undefined);
    await model?.close();
  };
  const server = await openServer(listen, options, platform, served, {
    leave: () => loading.abort(),
    stop,
  });
  const onEngineChange = (change: EngineChange): void => {
    log(engineRecord(change));
    // The next engine may be of another kind, whose answers are not those that were kept: it is another model.
    if (change.type === "replaced")
      for (const [i, model] of served.models.entries()) served.models[i] = { ...model };
    options.load.onEngineChange?.(change);
  };
  const ready = prepare({ ...options.load, onEngineChange }, loading.signal, async (model) => {
    served.models.push(...modelsWith(await toServed(model, options)));
    log(backendRecord(model.engine.info));
    if (served.state === "loading") served.state = "ready";
  });
  return { ...server, ready };
}

/**
 * Serve the models of a pool over HTTP, with none here: a cache, keys and limits in front of other servers.
 * Resolves as soon as the server listens. Rejects with `INVALID_REQUEST` where there is no pool.
 */
export async function serveEdge(
  listen: Listen,
  options: ServerOptions,
  platform: Platform = {},
): Promise<ListeningServer> {
  if (options.cache?.semantic?.model === "self") {
    throw new RuntimeError(
      "INVALID_REQUEST",
      "Cannot tell by the model itself how near questions are where there is none: name one that embeds",
    );
  }
  if (options.pool === undefined || options.pool.nodes.length === 0) {
    throw new RuntimeError(
      "INVALID_REQUEST",
      "Cannot serve without a model and without a pool: name servers that have one",
    );
  }
  const served: Served = { models: [], state: "ready" };
  return await openServer(listen, options, platform, served, {
    leave: () => {},
    stop: async () => {},
  });
}

/** What a server has to offer; it changes while it runs. */
interface Served {
  readonly models: ServedModel[];
  state: ServerState;
}

/** What becomes of a model when its server goes. */
interface Leaving {
  /** No request will come any more. */
  leave(): void;
  /** End those that still run. */
  stop(): Promise<void>;
}

async function openServer(
  listen: Listen,
  options: ServerOptions,
  { Response, createTransport = createFetchTransport }: Platform,
  served: Served,
  leaving: Leaving,
): Promise<ListeningServer> {
  const { log = () => {}, drainDelayMs = 0, graceMs = DEFAULT_GRACE_MS } = options;
  const { host = DEFAULT_HOST, port = DEFAULT_PORT } = options;
  const access = createAccess(options.keys, () => performance.now());
  const hosts = allowedHosts(host, options.hosts);
  const tracer =
    options.tracing === undefined
      ? undefined
      : createExporter({
          ...options.tracing,
          version: packageVersion(),
          onLost: (spans) => app.metrics.counter(TRACE_SPANS_LOST, {}).add(spans),
        });
  const caching =
    options.cache === undefined
      ? undefined
      : await openCaching({ log, ...options.cache }, () => served.models);
  const rungs = openRungs({
    ...options,
    createTransport,
    log,
    onEvent: (event) => app.metrics.counter(POOL_EVENTS, { event }).add(),
    onGap: (ms) => app.metrics.histogram(POOL_GAP_SECONDS, {}).observe(ms / 1000),
  });
  const { shareModel = false } = options;
  const browserCode = shareModel ? await readBrowserCode() : undefined;
  const lag = watchLoopLag();
  const app = createApp({
    models: () => served.models,
    state: () => served.state,
    version: packageVersion(),
    now: () => performance.now(),
    timeLimit: createSharedTimer(() => performance.now()),
    wallClock: () => Date.now(),
    randomId: () => randomUUID(),
    log,
    memory: () => ({ rss: process.memoryUsage.rss() }),
    loopLagMs: () => lag.milliseconds(),
    access,
    ...(Response === undefined ? {} : { Response }),
    ...(tracer === undefined ? {} : { tracer }),
    ...(caching === undefined ? {} : { caching }),
    ...rungs.deps,
    ...(hosts === undefined ? {} : { hosts }),
    ...(browserCode === undefined ? {} : { browserCode }),
    ...(options.corsOrigins === undefined ? {} : { corsOrigins: options.corsOrigins }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  // So that the first request finds nodes.
  await rungs.tend();
  let listening: Listening;
  try {
    listening = await listen(app, host, port);
  } catch (error) {
    lag.stop();
    await rungs.close();
    await caching?.close();
    throw listenFailure(error, host, port);
  }
  log({ level: "info", event: "listening", url: listening.url });

  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    served.state = "leaving";
    log({ level: "info", event: "leaving" });
    if (drainDelayMs > 0) await sleep(drainDelayMs);
    served.state = "draining";
    leaving.leave();
    await listening.finish(graceMs, () => leaving.stop());
    await rungs.close();
    await tracer?.close();
    await caching?.close();
    lag.stop();
    log({ level: "info", event: "stopped" });
  };
  return {
    url: listening.url,
    setKeys: (keys) => access.update(keys),
    setLimits: (limits) => app.setLimits(limits),
    setPool: (nodes) => rungs.setNodes(nodes),
    close: () => (closed ??= close()),
  };
}

async function prepare(
  load: LoadOptions,
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

/** What computes and why; a log is for the machine's owner. */
function backendRecord({ backend, threads, choice }: EngineInfo): LogRecord {
  const { reason = null, detail = null } = choice ?? {};
  return { level: "info", event: "backend", backend, threads, reason, detail };
}

async function toServed(model: LoadedModel, options: ServeOptions): Promise<ServedModel> {
  return {
    id: options.name ?? modelName(options.load.model),
    aliases: options.aliases ?? [],
    created: Math.floor(Date.now() / 1000),
    engine: model.engine,
    tokenizer: model.tokenizer,
    template: model.template,
    condition: () => model.condition(),
    contextLength: model.engine.info.contextLength,
    digest: await model.digest(),
    ...(model.loras.length === 0 ? {} : { loras: await servedLoras(model.loras) }),
    ownedBy: "sirocco",
    architecture: model.config.architecture,
    ...(model.config.pooling === undefined ? {} : { pooling: model.config.pooling }),
    quantization: model.quant.toUpperCase(),
    ...(options.shareModel === true ? { files: await modelFiles(model.files) } : {}),
    ...(model.license === undefined ? {} : { license: model.license }),
  };
}

async function servedLoras(loras: readonly LoraFacts[]): Promise<readonly ServedLora[]> {
  return Promise.all(loras.map(toServedLora));
}

async function toServedLora(lora: LoraFacts): Promise<ServedLora> {
  return { name: lora.name, scale: lora.scale, digest: await lora.digest() };
}

/** Read from disk by servers that share only. */
async function readBrowserCode(): Promise<AppDeps["browserCode"]> {
  const { browserCode } = await import("./shared-files.ts");
  return browserCode();
}

async function modelFiles(files: readonly string[]): Promise<NonNullable<ServedModel["files"]>> {
  const shared = await import("./shared-files.ts");
  return shared.modelFiles(files);
}
