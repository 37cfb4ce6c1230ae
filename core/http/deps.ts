import type { AnswerCache } from "../cache/answers.ts";
import type { StaleLimits } from "../cache/freshness.ts";
import type { SemanticAnswers } from "../cache/semantic/semantic-answers.ts";
import type { ChatTemplate } from "../chat/template.ts";
import type { Engine } from "../engine/engine.ts";
import type { EngineCondition } from "../engine/lasting-engine.ts";
import type { Pooling } from "../model/model.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { OverflowLimits } from "../pool/overflow.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { Tracer } from "../trace/span.ts";
import type { LoraUse } from "../engine/lora.ts";
import type { Access } from "./edge/access.ts";
import type { ServedLora } from "./lora-models.ts";
import type { SharedFile } from "./shared-file.ts";
import type { TimeLimit } from "./time-limit.ts";

/** A model that requests can name. */
export interface ServedModel {
  /** The name in requests. */
  readonly id: string;
  /** Other names that requests may use. */
  readonly aliases?: readonly string[];
  /** Unix seconds. */
  readonly created: number;
  /** What computes. */
  readonly engine: Engine;
  /** How that is, where it is replaced when it breaks. */
  readonly condition?: () => EngineCondition;
  /** Its vocabulary. */
  readonly tokenizer: Tokenizer;
  /** Absent where the model file has none: it then serves plain completions only. */
  readonly template: ChatTemplate | undefined;
  /** Tokens that one request may hold, prompt and answer together. */
  readonly contextLength: number;
  /** Identifies the weights: a sha256 in hex, or a shorter fingerprint. */
  readonly digest: string;
  /** For `/v1/models`. */
  readonly ownedBy: string;
  /** How it embeds texts; `mean` unless given. */
  readonly pooling?: Pooling;
  /** Its adapters, in the engine's order; none where absent. */
  readonly loras?: readonly ServedLora[];
  /** What it is made of, where it is a model with adapters. */
  readonly base?: ServedModel;
  /** The adapters that it then is made with. */
  readonly lora?: readonly LoraUse[];
  /** `general.architecture` of its file; for those who list models. */
  readonly architecture?: string;
  /** What its file calls its quantisation: `Q4_K_M`. */
  readonly quantization?: string;
  /** Its files, the first one first, where browsers may have them. */
  readonly files?: readonly SharedFile[];
  /** What its file says that it is distributed under: `apache-2.0`. */
  readonly license?: string;
}

/**
 * `loading`: requests wait for the model. `ready`. `leaving`: readiness fails, so that load balancers
 * turn away, while requests are still served. `draining`: new requests are refused, running ones end.
 */
export type ServerState = "loading" | "ready" | "leaving" | "draining";

/** What the application needs from its surroundings. */
export interface AppDeps {
  /** The models that requests can name now. */
  models(): readonly ServedModel[];
  /** What the server is ready for now. */
  state(): ServerState;
  /** The server's version, for probes. */
  readonly version: string;
  /** Milliseconds of a monotonic clock: for durations. */
  now(): number;
  /** Milliseconds since 1970: for timestamps. */
  wallClock(): number;
  /** A fresh identifier of letters, digits, `-` and `_`. */
  randomId(): string;
  /** Takes one record per request; it must not throw. */
  log(record: LogRecord): void;
  /** Bytes in use by kind (`rss`, `wasm`, `gpu`, …), for metrics. */
  memory?(): Readonly<Record<string, number>>;
  /** Milliseconds by which the event loop is late, where somebody watches it. */
  loopLagMs?(): number;
  /** Who may do what; everybody everything where absent. */
  readonly access?: Access;
  /** Answers that are kept; none where absent. */
  readonly caching?: AnswerCaching;
  /** Other servers that answer what this one has no room for, or has no model for. */
  readonly pool?: Pool;
  /** When requests go over to the pool; `DEFAULT_OVERFLOW` unless given. */
  readonly overflow?: Partial<OverflowLimits>;
  /** Somebody else's server, for when there is room nowhere. */
  readonly upstream?: Upstream;
  /** Names, without port, that `Host` may have; any where absent. */
  readonly hosts?: readonly string[];
  /** Origins whose pages may read answers; none where absent. */
  readonly corsOrigins?: readonly string[];
  /** Makes short answers, where a runtime writes its own class faster; the global one unless given. */
  readonly Response?: typeof Response;
  /** Bounds waits for short bodies; each has a timer of its own unless given. */
  readonly timeLimit?: TimeLimit;
  /** The program with which browsers answer by themselves, by path; they cannot where absent. */
  readonly browserCode?: ReadonlyMap<string, SharedFile>;
  /** Takes the spans of requests; none are made where absent. */
  readonly tracer?: Tracer;
  /** Limits that differ from {@linkcode DEFAULT_LIMITS}. */
  readonly limits?: Partial<HttpLimits>;
}

/** Answering from a cache. */
export interface AnswerCaching {
  /** The cache. */
  readonly answers: AnswerCache;
  /** Answers to questions that were asked before in other words; none are given where absent. */
  readonly semantic?: SemanticAnswers;
  /** How long answers serve beyond their time. */
  readonly stale: StaleLimits;
  /** Compute one in so many answers again that came from the cache, and compare; 0 for none. */
  readonly verifyOneIn: number;
  /** Digest of whatever else decides what an answer may be, such as filters. */
  readonly policy?: string;
  /** Milliseconds since 1970. */
  wallClock(): number;
  /**
   * Take care of work that nobody waits for; in workerd, that the isolate lives until it is done, on behalf of
   * the request that began it.
   */
  background(work: Promise<unknown>, request: Request): void;
}

/** A line of the log: plain data, never the content of a prompt or an answer. */
export type LogRecord = Readonly<Record<string, string | number | boolean | null>> & {
  readonly level: "info" | "error";
  readonly event: string;
};

/** Limits and intervals that a deployment may change. */
export interface HttpLimits {
  /** Bytes of a request's body. */
  readonly bodyBytes: number;
  /** Milliseconds that a client has to send its body. */
  readonly bodyTimeoutMs: number;
  /** A stream that has been silent for this long says that it is alive. */
  readonly keepAliveMs: number;
  /**
   * An answer in one piece that takes longer than this begins with white space, and then its status is 200
   * whatever comes. For runtimes that notice a client's leaving only when they write to it; else Infinity.
   */
  readonly wholeKeepAliveMs: number;
  /** A stream whose client has not read for this long is closed. */
  readonly stallMs: number;
  /** Milliseconds that a request waits for a model that is still loading. */
  readonly loadingWaitMs: number;
  /** An engine that has work but has finished no step for this long counts as dead. */
  readonly engineStallMs: number;
  /** A server whose event loop is later than this counts as dead: it answers nobody. */
  readonly loopLagMs: number;
}

/** The defaults, for a server; workers want smaller bodies and a keep-alive of 250 ms. */
export const DEFAULT_LIMITS: HttpLimits = {
  // A long context of 128 k tokens is about half a megabyte of text; 4 MiB leaves room for escapes.
  bodyBytes: 4 * 1024 * 1024,
  bodyTimeoutMs: 30_000,
  // Some servers end a stream that has been silent for 10 s.
  keepAliveMs: 5000,
  wholeKeepAliveMs: Infinity,
  stallMs: 30_000,
  loadingWaitMs: 60_000,
  engineStallMs: 10_000,
  loopLagMs: 5000,
};
