import { RuntimeError } from "../../../core/errors.ts";
import type { AppDeps, LogRecord } from "../../../core/http/deps.ts";
import { createPool, type PoolEvent } from "../../../core/pool/pool.ts";
import type { Transport } from "../../../core/pool/transport.ts";
import { createUpstream } from "../../../core/pool/upstream.ts";
import { parseNodes, parseServer } from "./pool-settings.ts";

/** Other servers that answer what this one has no room for. */
export interface PoolSettings {
  /** `http://host:port`, or `name=http://host:port` for a name in logs and headers. */
  readonly nodes: readonly string[];
  /** What opens them. With the scope `relay` they keep tenants apart and share one computation among all. */
  readonly key?: string;
}

/** Somebody else's server that speaks OpenAI's API, for when there is room nowhere. */
export interface UpstreamSettings {
  /** `http://host:8000`, `https://host/v1`. */
  readonly url: string;
  /** What opens it. */
  readonly key?: string;
  /** What it calls its model; the request's name unless given. */
  readonly model?: string;
  /** Requests that it may get in a minute; any number unless given. */
  readonly requestsPerMinute?: number;
}

/** The rungs below the engine. */
export interface Rungs {
  /** What the application gets of them. */
  readonly deps: Pick<AppDeps, "pool" | "upstream" | "overflow">;
  /** Look at the nodes. */
  tend(): Promise<void>;
  /**
   * Ask other nodes from now on. Throws `INVALID_REQUEST` for addresses that are none, and where there is no pool or
   * would be none any more: what a server is for does not change while it runs.
   */
  setNodes(nodes: readonly string[]): void;
  /** Let go of connections. */
  close(): Promise<void>;
}

/** What rungs need of a server. */
export interface RungOptions {
  readonly pool?: PoolSettings | undefined;
  readonly upstream?: UpstreamSettings | undefined;
  readonly overflow?: AppDeps["overflow"];
  readonly createTransport: () => Transport;
  readonly log: (record: LogRecord) => void;
  readonly onEvent: (event: PoolEvent) => void;
  readonly onGap: (milliseconds: number) => void;
}

const now = (): number => performance.now();

/** Nodes are looked at so often; a probe takes a millisecond of theirs. */
const TEND_MS = 1000;

/** Open what is configured, and look after it. Throws `INVALID_REQUEST` for addresses that are none. */
export function openRungs(options: RungOptions): Rungs {
  const { pool, upstream, overflow, createTransport, log, onEvent, onGap } = options;
  const opened =
    pool === undefined
      ? undefined
      : createPool({
          nodes: parseNodes(pool.nodes),
          transport: createTransport(),
          now,
          random: Math.random,
          log,
          onEvent,
          onGap,
          ...(pool.key === undefined ? {} : { key: pool.key }),
        });
  const afar =
    upstream === undefined
      ? undefined
      : createUpstream({
          ...upstream,
          url: parseServer(upstream.url).href,
          transport: createTransport(),
          now,
          log,
        });
  // The first look is the caller's; the process may end in between.
  const timer = opened && setInterval(() => void opened.tend(), TEND_MS);
  timer?.unref();
  return {
    deps: {
      ...(opened === undefined ? {} : { pool: opened }),
      ...(afar === undefined ? {} : { upstream: afar }),
      ...(overflow === undefined ? {} : { overflow }),
    },
    async tend() {
      await opened?.tend();
    },
    setNodes(written) {
      const nodes = parseNodes(written);
      if (opened === undefined || nodes.length === 0)
        throw new RuntimeError(
          "INVALID_REQUEST",
          "Cannot change whether there is a pool while the server runs: start it anew",
        );
      opened.setNodes(nodes);
      void opened.tend();
    },
    async close() {
      clearInterval(timer);
      await opened?.close();
      await afar?.close();
    },
  };
}
