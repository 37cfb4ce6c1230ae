import { BREAK_REASONS } from "../engine/breakage.ts";
import type { EngineCondition } from "../engine/lasting-engine.ts";
import type { TurnDone } from "../tools/events.ts";
import type { Counter, Gauge, Histogram, Metrics } from "../metrics/metrics.ts";
import * as names from "../metrics/names.ts";
import type { AppDeps, ServedModel } from "./deps.ts";
import { ownEngines } from "./found-model.ts";
import { retryAfterSeconds } from "./retry-after.ts";

/** What the HTTP layer measures. */
export interface ServerMetrics {
  /** A request under /v1 has ended. */
  request(status: number, milliseconds: number): void;
  /** Watch one answer of a model; `arrived` by the monotonic clock. */
  answer(model: Pick<ServedModel, "id">, arrived: number): AnswerMeter;
  /** Who began to answer, where there is a choice, and why. */
  served(rung: string, why: string): void;
  /** What an answer has taken so far, on average. */
  meanAnswerMs(): number;
  /** What the cache did for a request. */
  cache(result: CacheResult): void;
  /** An answer from the cache was computed again, and was the same or not. */
  verified(same: boolean): void;
  /** When a full queue will have room again, by what is ahead and how fast that is computed. */
  retryAfterSeconds(): number;
}

/**
 * What a cache does for a request: it had the answer, fresh or stale, or that to another question which asks the
 * same; it knew that there is none; nobody had it; others were computing it.
 */
export type CacheResult =
  | "hit"
  | "stale"
  | "semantic"
  | "refusal"
  | "miss"
  | "collapsed"
  | "bypass";

/** Watches one answer. */
export interface AnswerMeter {
  token(): void;
  done(event: TurnDone): void;
  aborted(): void;
}

/** Register the server's metrics and keep them up to date. */
export function createServerMetrics(metrics: Metrics, deps: AppDeps): ServerMetrics {
  const requestMeters: ReturnType<typeof requestMeter>[] = [];
  let answers = 0;
  let answerMs = 0;
  metrics.gauge(names.BUILD_INFO, { version: deps.version }).set(1);
  const backends = new Map<string, Gauge>();
  const nodes = new Set<string>();
  metrics.onRender(() => {
    collect(metrics, deps);
    collectSemantic(metrics, deps);
    collectBackends(metrics, deps, backends);
    collectNodes(metrics, deps, nodes);
  });
  // Before the first answer a guess: a second.
  const meanAnswerMs = (): number => (answers === 0 ? 1000 : answerMs / answers);
  // Looked up once: a hit is over in microseconds.
  const cached = new Map<CacheResult, Counter>();

  return {
    request(status, milliseconds) {
      const hundreds = Math.trunc(status / 100);
      const meter = (requestMeters[hundreds] ??= requestMeter(metrics, `${hundreds}xx`));
      meter.count.add();
      meter.seconds.observe(milliseconds / 1000);
    },
    answer(model, arrived) {
      const labels = { model_name: model.id };
      const observe = (spec: names.HistogramSpec<"model_name">, milliseconds: number) =>
        metrics.histogram(spec, labels).observe(milliseconds / 1000);
      const finish = (finishedReason: string) =>
        metrics.counter(names.ANSWERS, { ...labels, finished_reason: finishedReason }).add();
      const betweenTokens = metrics.histogram(names.INTER_TOKEN_SECONDS, labels);
      let last: number | undefined;
      return {
        token() {
          const now = deps.now();
          if (last === undefined) observe(names.FIRST_TOKEN_SECONDS, now - arrived);
          else betweenTokens.observe((now - last) / 1000);
          last = now;
        },
        done({ reason, usage, timings }) {
          const milliseconds = deps.now() - arrived;
          answers++;
          answerMs += milliseconds;
          finish(reason);
          observe(names.ANSWER_SECONDS, milliseconds);
          observe(names.DECODE_SECONDS, timings.decodeMs);
          if (timings.engine !== undefined) {
            observe(names.QUEUE_SECONDS, timings.engine.queueMs);
            observe(names.PREFILL_SECONDS, timings.engine.prefillMs);
          }
          metrics.histogram(names.PROMPT_LENGTH, labels).observe(usage.promptTokens);
          metrics.histogram(names.ANSWER_LENGTH, labels).observe(usage.completionTokens);
        },
        aborted: () => finish("abort"),
      };
    },
    cache(result) {
      let counter = cached.get(result);
      if (counter === undefined) {
        counter = metrics.counter(names.CACHE_REQUESTS, { result });
        cached.set(result, counter);
      }
      counter.add();
    },
    verified(same) {
      metrics.counter(names.CACHE_VERIFICATIONS, {}).add();
      if (!same) metrics.counter(names.CACHE_MISMATCHES, {}).add();
    },
    served: (rung, why) => metrics.counter(names.SERVED, { rung, why }).add(),
    meanAnswerMs,
    retryAfterSeconds() {
      const engines = ownEngines(deps).map(({ engine }) => engine.stats());
      return retryAfterSeconds(engines, Math.random());
    },
  };
}

/** Handles are kept: looking them up costs more than using them. */
function requestMeter(
  metrics: Metrics,
  codeClass: string,
): { readonly count: Counter; readonly seconds: Histogram } {
  const labels = { code_class: codeClass };
  return {
    count: metrics.counter(names.REQUESTS, labels),
    seconds: metrics.histogram(names.REQUEST_SECONDS, labels),
  };
}

/** What has become of a model's engines. */
function collectCondition(metrics: Metrics, id: string, condition: EngineCondition): void {
  const labels = { model_name: id };
  for (const reason of BREAK_REASONS) {
    const broken = metrics.counter(names.ENGINES_BROKEN, { ...labels, reason });
    broken.record(condition.broken[reason]);
  }
  metrics.counter(names.DEVICES_LOST, labels).record(condition.broken.device);
  metrics.counter(names.MIGRATIONS, labels).record(condition.moved);
  metrics.gauge(names.ENGINE_READY, labels).set(condition.state === "ready" ? 1 : 0);
  metrics.gauge(names.ENGINE_DEGRADED, labels).set(condition.degraded ? 1 : 0);
}

/** Which backends compute, and why; `known` are those that ever did. */
function collectBackends(metrics: Metrics, deps: AppDeps, known: Map<string, Gauge>): void {
  for (const gauge of known.values()) gauge.set(0);
  for (const { id, engine } of ownEngines(deps)) {
    const { backend, choice } = engine.info;
    const labels = { model_name: id, backend, reason: choice?.reason ?? "unknown" };
    const gauge = metrics.gauge(names.BACKEND_INFO, labels);
    gauge.set(1);
    known.set(JSON.stringify(labels), gauge);
  }
}

/** Read what the engines count themselves. */
function collect(metrics: Metrics, deps: AppDeps): void {
  const lag = deps.loopLagMs?.();
  if (lag !== undefined) metrics.gauge(names.LOOP_LAG_SECONDS, {}).set(lag / 1000);
  const memory = new Map(Object.entries(deps.memory?.() ?? {}));
  const add = (kind: string, bytes: number) => memory.set(kind, (memory.get(kind) ?? 0) + bytes);
  for (const { id, engine, condition } of ownEngines(deps)) {
    if (condition !== undefined) collectCondition(metrics, id, condition());
    const labels = { model_name: id };
    const stats = engine.stats();
    metrics.gauge(names.REQUESTS_RUNNING, labels).set(stats.running);
    metrics.gauge(names.REQUESTS_WAITING, labels).set(stats.waiting);
    metrics
      .gauge(names.KV_CACHE_USAGE, labels)
      .set(stats.kvBlocksUsed / Math.max(stats.kvBlocksTotal, 1));
    metrics.counter(names.PREEMPTIONS, labels).record(stats.preemptions);
    metrics.counter(names.PREFIX_QUERIES, labels).record(stats.prefixQueries);
    metrics.counter(names.PREFIX_HITS, labels).record(stats.prefixHits);
    metrics.counter(names.DRAFT_TOKENS, labels).record(stats.draftedTokens);
    metrics.counter(names.ACCEPTED_TOKENS, labels).record(stats.acceptedTokens);
    metrics.counter(names.MODEL_DRAFT_TOKENS, labels).record(stats.modelDraftedTokens);
    metrics.counter(names.MODEL_ACCEPTED_TOKENS, labels).record(stats.modelAcceptedTokens);
    metrics.counter(names.PROMPT_TOKENS, labels).record(stats.promptTokens);
    metrics.counter(names.GENERATED_TOKENS, labels).record(stats.generatedTokens);
    if (stats.expertRows !== undefined) collectExperts(metrics, id, stats.expertRows);
    const { weights, kv, activations } = engine.info.memory;
    add("weights", weights);
    add("kv", kv);
    add("activations", activations);
    if (engine.info.backend === "webgpu") add("gpu", weights + kv + activations);
  }
  for (const [kind, bytes] of memory) metrics.gauge(names.MEMORY_BYTES, { kind }).set(bytes);
}

/** How the pool's nodes are; `known` are those that ever were: members change. */
function collectNodes(metrics: Metrics, deps: AppDeps, known: Set<string>): void {
  const now = new Map(deps.pool?.nodes().map((node) => [node.name, node]));
  for (const name of now.keys()) known.add(name);
  for (const node of known) {
    const { standing = "out", inFlight = 0 } = now.get(node) ?? {};
    metrics.gauge(names.POOL_NODE_IN, { node }).set(standing === "in" ? 1 : 0);
    metrics.gauge(names.POOL_IN_FLIGHT, { node }).set(inFlight);
  }
}

/** What the semantic cache counts itself. */
function collectSemantic(metrics: Metrics, { caching }: AppDeps): void {
  const semantic = caching?.semantic;
  if (semantic === undefined) return;
  const { lookups, refusals, entries, bytes, embedMs } = semantic.stats();
  metrics.gauge(names.SEMANTIC_ON, {}).set(semantic.state === "on" ? 1 : 0);
  for (const [result, count] of Object.entries(lookups))
    metrics.counter(names.SEMANTIC_LOOKUPS, { result }).record(count);
  for (const [reason, count] of Object.entries(refusals))
    metrics.counter(names.SEMANTIC_REFUSALS, { reason }).record(count);
  metrics.gauge(names.SEMANTIC_ENTRIES, {}).set(entries);
  metrics.gauge(names.SEMANTIC_BYTES, {}).set(bytes);
  metrics.counter(names.SEMANTIC_EMBED_SECONDS, {}).record(embedMs / 1000);
}

/** How a mixture's rows are spread over its experts. */
function collectExperts(
  metrics: Metrics,
  model: string,
  layers: readonly (readonly number[])[],
): void {
  const experts = layers[0]?.length ?? 0;
  for (let expert = 0; expert < experts; expert++) {
    const rows = layers.reduce((sum, layer) => sum + layer[expert]!, 0);
    metrics.counter(names.EXPERT_ROWS, { model_name: model, expert: String(expert) }).record(rows);
  }
  for (const [layer, rows] of layers.entries()) {
    const mean = rows.reduce((sum, count) => sum + count, 0) / rows.length;
    // Nothing counted is no imbalance.
    const ratio = mean === 0 ? 1 : Math.max(...rows) / mean;
    metrics.gauge(names.EXPERT_IMBALANCE, { model_name: model, layer: String(layer) }).set(ratio);
  }
}
