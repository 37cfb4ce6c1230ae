import { Command, Option } from "commander";
import type { LogRecord } from "../../../core/http/deps.ts";
import type { Choice } from "../../../core/tensor/choice.ts";
import { isLoopback } from "../../../core/http/edge/host.ts";
import type { ConfigFile } from "../config/schema.ts";
import { DEFAULT_HOST, DEFAULT_PORT } from "../listen.ts";
import type { ListeningServer, ServeOptions, ServerOptions } from "../serve.ts";
import {
  addModelOptions,
  addParallelOption,
  decimal,
  integer,
  listOption,
  toLoadOptions,
  UsageError,
  type ModelFlags,
} from "./options.ts";
import {
  addEdgeOptions,
  applyConfig,
  readConfig,
  tracingOf,
  withFlagKey,
  type EdgeFlags,
} from "./serve-config.ts";
import { addPoolOptions, toPoolOptions, type PoolFlags } from "./pool-options.ts";
import { createProgress, formatBytes, logLine, note, noteThreads } from "./terminal.ts";

/** Flags that say where to listen. */
export interface ListenFlags {
  readonly host: string;
  readonly port: number;
}

interface ServeFlags extends Omit<ModelFlags, "model">, ListenFlags, EdgeFlags, PoolFlags {
  /** `false` for none, where a pool has one. */
  readonly model: string | false;
  readonly alias?: string;
  readonly drainDelay: number;
  readonly grace: number;
  readonly json?: true;
  readonly shareModel?: boolean;
  readonly cache?: readonly string[];
  readonly cacheSize: number;
  readonly cacheTtl: number;
  readonly cacheVerify: number;
  readonly semanticCache?: string;
  readonly semanticPaths?: readonly string[];
}

const LARGEST_PORT = 65_535;

/** Load balancers look every few seconds, and send requests until they have seen that we leave. */
const DRAIN_DELAY_S = 5;
/** Orchestrators kill after 30 s in all: this leaves 5 s to say why what still runs ends. */
const GRACE_S = 20;

/** `sirocco serve`: the HTTP server. */
export function serveCommand(): Command {
  const command = addListenOptions(new Command("serve"))
    .description("serve a model over OpenAI-compatible HTTP")
    .option("-a, --alias <name>", "name of the model for requests (default: the file's name)")
    .option(
      "--drain-delay <s>",
      "after a signal serve on for so long, unready",
      decimal(0, 600),
      DRAIN_DELAY_S,
    )
    .option(
      "--grace <s>",
      "then let running requests take so long to end",
      decimal(0, 3600),
      GRACE_S,
    )
    .option(
      "--cache <where...>",
      "keep answers that are certain: memory, sqlite:FILE, redis://HOST (SIROCCO_CACHE_SECRET)",
    )
    .option("--cache-size <MiB>", "answers in memory", integer(1, 1_048_576), 64)
    .option("--cache-ttl <s>", "an answer is fresh for so long", integer(1, 31_536_000), 86_400)
    .option(
      "--cache-verify <n>",
      "compute one in n kept answers again; 0 = none",
      integer(0, 1e9),
      1000,
    )
    .option(
      "--semantic-cache <model>",
      "answer questions that were asked in other words, too; near by this model, or self",
    )
    .addOption(
      listOption("--semantic-paths <path>", "path that is answered so; repeatable").default(
        undefined,
        "/v1/chat/completions",
      ),
    )
    .option("--share-model", "let the page answer in the browser, which then downloads the model")
    .option("--json", "log JSON lines on stderr, for programs");
  return addPoolOptions(addParallelOption(addModelOptions(addEdgeOptions(command))))
    .option("--no-model", "serve what the servers of --pool have, with no model here")
    .addHelpText(
      "after",
      `
Examples:
  sirocco serve -m model.gguf --port 8080
  curl http://127.0.0.1:8080/v1/chat/completions -H "content-type: application/json" \\
    -d '{"model": "model", "messages": [{"role": "user", "content": "Hello"}]}'`,
    )
    .action(run);
}

/** Add `--host` and `--port`. */
export function addListenOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--host <address>", "address to listen on")
        .env("SIROCCO_HOST")
        .default(DEFAULT_HOST),
    )
    .addOption(
      new Option("--port <n>", "port to listen on; 0 = any free one")
        .env("SIROCCO_PORT")
        .argParser(integer(0, LARGEST_PORT))
        .default(DEFAULT_PORT),
    );
}

async function run(_flags: ServeFlags, command: Command): Promise<void> {
  const { config: path } = command.opts<ServeFlags>();
  const settings = path === undefined ? {} : await readConfig(path);
  applyConfig(command, settings);
  const flags = command.opts<ServeFlags>();
  const { toApiKeys, toHttpLimits } = await import("../config/read-config.ts");
  const keys = await withFlagKey(toApiKeys(settings), flags.apiKey);
  const tracing = tracingOf(flags, settings);
  const log = flags.json === true ? logJson : logText;

  const { serve, serveEdge } = await import("../serve.ts");
  const options: ServerOptions = {
    ...listenOptions(flags, keys !== undefined),
    ...(keys === undefined ? {} : { keys }),
    ...(flags.allowHost === undefined ? {} : { hosts: flags.allowHost }),
    ...(flags.corsOrigin === undefined ? {} : { corsOrigins: flags.corsOrigin }),
    ...(tracing === undefined ? {} : { tracing }),
    limits: toHttpLimits(settings),
    drainDelayMs: flags.drainDelay * 1000,
    graceMs: flags.grace * 1000,
    ...cacheOptions(flags),
    ...(await toPoolOptions(flags)),
    shareModel: flags.shareModel === true,
    log,
  };
  const follow = async (server: ListeningServer): Promise<void> => {
    if (path === undefined) return;
    // What a flag says the file does not change.
    const fixed = flags.pool === settings.pool ? {} : { setPool: () => {} };
    await followConfig(path, settings, { ...server, ...fixed }, flags.apiKey, log);
  };
  const { model } = flags;
  if (model === false) {
    const server = await serveEdge(options);
    const stopped = stopOnSignal(server);
    await follow(server);
    if (flags.json !== true) note(`sirocco: the pool answers at ${server.url}; Ctrl-C stops`);
    await stopped;
    return;
  }
  const progress = createProgress("loading");
  const server = await serve({
    ...options,
    load: {
      ...toLoadOptions({ ...flags, model }),
      onProgress: (done, total) => progress.update(done, total),
    },
    ...(flags.alias === undefined ? {} : { name: flags.alias }),
  });
  const stopped = stopOnSignal(server);
  await follow(server);
  try {
    const { engine, config, quant } = await server.ready.finally(() => progress.end());
    noteThreads(flags.threads, engine.info.threads);
    if (flags.json !== true) {
      note(
        `sirocco: ${config.name} (${quant}, ${formatBytes(engine.info.memory.weights)}) answers at ` +
          `${server.url} on ${engine.info.backend}${because(engine.info.choice)}; Ctrl-C stops`,
      );
    }
  } catch (error) {
    await server.close();
    throw error;
  }
  await stopped;
}

/** Why it is this backend, where that was not asked for. */
function because(choice: Choice | undefined): string {
  return choice === undefined || choice.reason === "asked" ? "" : ` (${choice.reason})`;
}

/** Take keys, limits and the pool over from the configuration whenever it changes; running requests go on. */
async function followConfig(
  path: string,
  known: ConfigFile,
  server: Pick<ListeningServer, "setKeys" | "setLimits" | "setPool">,
  apiKey: string | undefined,
  log: (record: LogRecord) => void,
): Promise<void> {
  const { toApiKeys, toHttpLimits } = await import("../config/read-config.ts");
  const { watchConfig } = await import("../config/watch-config.ts");
  let pool = String(known.pool);
  watchConfig(path, known, {
    async changed(config) {
      const keys = await withFlagKey(toApiKeys(config), apiKey);
      // First: where it cannot be used nothing else is.
      if (String(config.pool) !== pool) server.setPool(config.pool ?? []);
      pool = String(config.pool);
      server.setKeys(keys);
      server.setLimits(toHttpLimits(config));
      log({ level: "info", event: "config_reloaded", keys: keys?.length ?? null });
    },
    refused: ({ message }) => log({ level: "error", event: "config_refused", message }),
  });
}

/** Which answers to keep where. */
function cacheOptions(flags: ServeFlags): Pick<ServeOptions, "cache"> {
  const { cache: stores, cacheSize, cacheTtl, cacheVerify, semanticCache, semanticPaths } = flags;
  if (stores === undefined) {
    if (semanticCache === undefined) return {};
    throw new UsageError("--semantic-cache needs answers that are kept: give --cache as well");
  }
  const secret = process.env["SIROCCO_CACHE_SECRET"];
  return {
    cache: {
      stores,
      memoryBytes: cacheSize * 1024 * 1024,
      ttlSeconds: cacheTtl,
      verifyOneIn: cacheVerify,
      ...(semanticCache === undefined
        ? {}
        : {
            semantic: {
              model: semanticCache,
              ...(semanticPaths === undefined ? {} : { paths: semanticPaths }),
            },
          }),
      ...(secret === undefined ? {} : { secret }),
    },
  };
}

/** Where to listen, with a word of warning where others can reach it. */
export function listenOptions(
  { host, port }: ListenFlags,
  keyed = false,
): Pick<ServeOptions, "host" | "port"> {
  if (!keyed && !isLoopback(host)) {
    note(
      `sirocco: ${host} can be reached from the network and there are no keys: give --api-key or \`keys\` of --config`,
    );
  }
  return { host, port };
}

/** Resolves when a signal has stopped the server; a second signal does not wait for its requests. */
export function stopOnSignal(server: ListeningServer): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    for (const [signal, exitCode] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      process.on(signal, () => {
        if (stopping) process.exit(exitCode);
        stopping = true;
        note("sirocco: finishing what runs; once more to stop at once");
        server.close().then(resolve, reject);
      });
    }
  });
}

function logJson(record: LogRecord): void {
  logLine(JSON.stringify({ time: new Date().toISOString(), ...record }));
}

/** Told though nothing is wrong. */
const NOTED: ReadonlySet<string> = new Set([
  "semantic_cache",
  "pool_node_added",
  "pool_node_back",
  "pool_node_removed",
  "upstream_back",
]);

/** For people: one line a request, and what went wrong. */
function logText(record: LogRecord): void {
  const { event, method, path, status, duration_ms: duration } = record;
  if (event === "request") logLine(`${status} ${method} ${path} ${duration} ms`);
  if (NOTED.has(event)) logLine(JSON.stringify(record));
  if (event === "config_reloaded") logLine("sirocco: keys, limits and the pool are read again");
  if (record.level === "error") logLine(JSON.stringify(record));
}
