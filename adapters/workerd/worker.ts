import { createBreakTally } from "../../core/engine/break-tally.ts";
import type { MortalEngine } from "../../core/engine/engine.ts";
import { createLastingEngine } from "../../core/engine/lasting-engine.ts";
import type { StallWatch } from "../../core/engine/stall-watch.ts";
import { createApp, type App } from "../../core/http/app.ts";
import type { HttpLimits, ServedModel, ServerState } from "../../core/http/deps.ts";
import { modelsWith, type ServedLora } from "../../core/http/lora-models.ts";
import { toFailure } from "../../core/http/failure.ts";
import { RuntimeError } from "../../core/errors.ts";
import { readConfig } from "../../core/model/config.ts";
import { closeLoras } from "../../core/lora/load-lora.ts";
import { openGguf } from "../../core/gguf/parse.ts";
import { streamSource } from "../../core/gguf/stream-source.ts";
// Plain numbers, nothing of Node.
import { kvBytesPerToken, type RoomOptions } from "../node/limits.ts";
import { readVocabulary, type Vocabulary } from "../portable/load-model.ts";
import { startEngine } from "../portable/start-engine.ts";
import { BUDGET_BYTES, planMemory } from "./budget.ts";
import { digesting, digestOf } from "./digesting.ts";
import { driveByReaders } from "./driven-engine.ts";
import { workerdKernels } from "./kernels.ts";
import { type EdgeOptions, type EdgeParts, openEdge, type WorkerContext } from "./edge-parts.ts";
import { createReaderSuccession } from "./reader-succession.ts";
import { type ModelBody, unbroken } from "./sources.ts";
import { type WarmStart, warmUp } from "./warm.ts";
import { type OpenedWorkerLora, openWorkerLoras, type WorkerLora } from "./worker-lora.ts";
import { WORKER_LIMITS } from "./worker-limits.ts";

/** What a worker serves. */
export interface WorkerOptions<Env> extends EdgeOptions<Env> {
  /** The model's name for requests. */
  readonly name: string;
  /** Fetch the model; called once per isolate, and again where that failed. `later` outlives the request. */
  readonly open: (env: Env, later: (work: Promise<unknown>) => void) => Promise<ModelBody | null>;
  /** Adapters that requests may take; each is a model of its own, `name:adapter`. */
  readonly lora?: readonly WorkerLora<Env>[];
  /** Begin with keys and values that an earlier isolate has computed. */
  readonly warm?: WarmStart<Env>;
  /** How much room the model gets; absent values take {@linkcode WORKER_ROOM}'s. */
  readonly room?: RoomOptions;
  /** Bytes that JavaScript and WebAssembly may use together; at most what the platform allows. */
  readonly budget?: number;
  /** Limits of requests that differ from a worker's defaults. */
  readonly limits?: Partial<HttpLimits>;
}

/** What the platform calls. */
export interface WorkerHandler<Env> {
  /** Answers a request; the first one loads the model. */
  fetch(request: Request, env: Env, context: WorkerContext): Promise<Response>;
}

/**
 * Room for four short conversations. Steps are small: while one computes nothing else happens in the
 * isolate, and what was computed leaves between two of them.
 */
export const WORKER_ROOM: RoomOptions & { readonly parallel: number } = {
  contextSize: 1024,
  parallel: 4,
  batchSize: 32,
  logitRows: 4,
  kvBytes: 16 * 1024 * 1024,
};

/** The engine computes in this very thread: while it hangs nobody could notice. */
const NOBODY_WATCHES: StallWatch = { enter: () => {}, leave: () => {} };

/** Work of whichever request misses an engine that broke; nothing of it has to outlive that. */
function inBackground(work: Promise<unknown>): void {
  work.catch(() => undefined);
}

/** Between two looks at whether the model is there: little beside the second that loading takes. */
const LOOK_MS = 10;

/**
 * A worker that serves one model per isolate. The first request loads it, straight into WebAssembly memory
 * as it arrives; requests meanwhile wait. The budget is reserved before and enforced: WebAssembly memory
 * cannot grow beyond its part, so that a model too large ends with `insufficient_resources`, not with the
 * isolate.
 */
export function createWorker<Env>(options: WorkerOptions<Env>): WorkerHandler<Env> {
  const { budget = BUDGET_BYTES } = options;
  const models: ServedModel[] = [];
  let state: ServerState = "loading";
  let memory: Readonly<Record<string, number>> = { budget };
  let loading: Loading | undefined;
  let app: App | undefined;
  let parts: EdgeParts | undefined;

  async function load(env: Env, later: (work: Promise<unknown>) => void): Promise<void> {
    const { engine: first, vocabulary, digest, loras } = await start(env, later);
    const tally = createBreakTally();
    const engines = createReaderSuccession({
      first,
      async open() {
        const next = await start(env, inBackground);
        // Answers would go on with other weights than they began with.
        if (identityOf(next) === identityOf({ digest, loras })) return next.engine;
        throw new RuntimeError(
          "MODEL_MALFORMED",
          `Cannot load ${options.name} again: it has changed since it was loaded`,
        );
      },
      tally,
      now: () => performance.now(),
    });
    const engine = createLastingEngine({
      engines,
      tally,
      watch: NOBODY_WATCHES,
      now: () => performance.now(),
    });
    const model: ServedModel = {
      ...vocabulary,
      id: options.name,
      created: Math.floor(Date.now() / 1000),
      engine,
      condition: () => engine.condition(),
      contextLength: engine.info.contextLength,
      digest,
      ownedBy: "sirocco",
      ...(loras.length === 0 ? {} : { loras }),
    };
    models.push(...modelsWith(model));
    state = "ready";
  }

  /** Fetch the model and start an engine for it. */
  async function start(
    env: Env,
    later: (work: Promise<unknown>) => void,
  ): Promise<{
    readonly engine: MortalEngine;
    readonly vocabulary: Vocabulary;
    readonly digest: string;
    readonly loras: readonly ServedLora[];
  }> {
    const object = await options.open(env, later);
    if (object === null) {
      throw new RuntimeError(
        "MODEL_NOT_FOUND",
        `Cannot load ${options.name}: there is no such object`,
      );
    }
    const { size, version } = object;
    const passing = digesting(unbroken(object));
    const gguf = await openGguf(streamSource(passing.body, size, options.name));
    let opened: readonly OpenedWorkerLora[] = [];
    try {
      opened = await openWorkerLoras(options.lora ?? [], env, later);
      const vocabulary = readVocabulary(gguf.metadata);
      const { vocabSize } = vocabulary.tokenizer;
      const room = { ...WORKER_ROOM, ...options.room };
      const { warm } = options;
      const beginning =
        warm === undefined ? [] : (vocabulary.template?.tokens(warm.messages) ?? []);
      const snapshotBytes = beginning.length * kvBytesPerToken(readConfig(gguf), room.kvType);
      const plan = planMemory({ vocabSize, streams: room.parallel, snapshotBytes }, budget);
      const runtime = { kernels: workerdKernels, maxBytes: plan.wasm };
      const engine = await startEngine(gguf, runtime, { ...room, loras: opened });
      const digest = await digestOf(version, passing);
      const loras: ServedLora[] = [];
      for (const lora of opened) loras.push(await lora.served());
      const { weights, kv, activations } = engine.info.memory;
      const total = plan.js + weights + kv + activations;
      memory = { budget, js_reserved: plan.js, wasm: weights + kv + activations, total };
      if (warm !== undefined && beginning.length > 0) {
        memory = {
          ...memory,
          snapshot: await warmUp(engine, beginning, digest, warm, env, later),
        };
      }
      return { engine: driveByReaders(engine), vocabulary, digest, loras };
    } finally {
      await closeLoras(opened);
      await gguf.close();
    }
  }

  /** Made in a request: outside of one workerd has no randomness and no clock. */
  function makeApp({ deps }: EdgeParts): App {
    return createApp({
      models: () => models,
      state: () => state,
      version: options.name,
      now: () => performance.now(),
      wallClock: () => Date.now(),
      randomId: () => crypto.randomUUID(),
      ...deps,
      memory: () => memory,
      limits: { ...WORKER_LIMITS, ...options.limits },
    });
  }

  /** Load, unless that is done or under way: then wait for it, as others' promises do not wake a request up. */
  async function ensureLoaded(
    env: Env,
    waitUntil: (work: Promise<unknown>) => void,
  ): Promise<void> {
    if (loading !== undefined) {
      const current = loading;
      while (!current.ended) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      if (current.error !== undefined) throw current.error;
      return;
    }
    const attempt: Loading = { ended: false, error: undefined };
    loading = attempt;
    const done = load(env, (work) => waitUntil(work.catch(() => undefined)));
    // Others wait for it even where this request's client leaves.
    waitUntil(done.catch(() => undefined));
    try {
      await done;
    } catch (error) {
      attempt.error = error;
      // The next request tries anew.
      loading = undefined;
      throw error;
    } finally {
      attempt.ended = true;
    }
  }

  return {
    async fetch(request, env, context) {
      if (parts === undefined || app === undefined) {
        parts = openEdge(options, env);
        app = makeApp(parts);
        parts.countIn(app.metrics);
      }
      await parts.attend(request, context);
      // Probes that come meanwhile are told so.
      if (loading === undefined || request.method === "POST") {
        const loaded = ensureLoaded(env, (work) => context.waitUntil(work));
        if (parts.deps.pool?.ready() === true) {
          // Others answer meanwhile, and instead where it fails.
          context.waitUntil(loaded.catch(() => undefined));
        } else {
          try {
            await loaded;
          } catch (error) {
            return answerFailure(error);
          }
        }
      }
      return app.fetch(request);
    },
  };
}

/** What an engine computes with. */
function identityOf(of: {
  readonly digest: string;
  readonly loras: readonly ServedLora[];
}): string {
  return [of.digest, ...of.loras.map(({ digest }) => digest)].join("\n");
}

/** An attempt to load, as it is seen by those who wait. */
interface Loading {
  ended: boolean;
  error: unknown;
}

function answerFailure(error: unknown): Response {
  const { status, body, headers } = toFailure(error);
  return Response.json(body, { status, headers });
}
