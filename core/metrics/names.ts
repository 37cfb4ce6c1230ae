/**
 * Every metric there is: the one source of names, help, labels and buckets. The `vllm:` names are those
 * of vLLM, so that its dashboards and the Kubernetes inference gateway work unchanged; labels are
 * bounded by construction (model names come from our own list, never from a request).
 */

/** What a metric is called and means. `L`: its labels' names. */
export interface MetricSpec<L extends string = string> {
  /** As Prometheus shows it. */
  readonly name: string;
  /** For people, one sentence. */
  readonly help: string;
  /** Names of its labels. */
  readonly labels: readonly L[];
}

/** Only grows; its name ends in `_total`. */
export interface CounterSpec<L extends string = string> extends MetricSpec<L> {
  /** Tells the kinds apart. */
  readonly type: "counter";
}

/** Goes up and down. */
export interface GaugeSpec<L extends string = string> extends MetricSpec<L> {
  /** Tells the kinds apart. */
  readonly type: "gauge";
}

/** A distribution; `buckets` are upper bounds in ascending order, infinity left out. */
export interface HistogramSpec<L extends string = string> extends MetricSpec<L> {
  /** Tells the kinds apart. */
  readonly type: "histogram";
  /** Upper bounds, ascending; infinity is added. */
  readonly buckets: readonly number[];
}

/** Seconds to the first token, from a cached prompt to a long queue. */
const FIRST_TOKEN_BUCKETS: readonly number[] = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
  160, 640, 2560,
];
/** Seconds between two tokens. */
const TOKEN_BUCKETS: readonly number[] = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
];
/** Seconds of a whole request; the four below 0.3 are for small models at the edge. */
const REQUEST_BUCKETS: readonly number[] = [
  0.01, 0.05, 0.1, 0.15, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240,
  480, 960, 1920, 7680,
];
/** Tokens of a prompt or an answer: 1, 2, 5 in each decade. */
const LENGTH_BUCKETS: readonly number[] = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000,
];

const gauge = <L extends string>(name: string, help: string, labels: readonly L[]) =>
  ({ type: "gauge", name, help, labels }) satisfies GaugeSpec<L>;
const counter = <L extends string>(name: string, help: string, labels: readonly L[]) =>
  ({ type: "counter", name, help, labels }) satisfies CounterSpec<L>;
const histogram = <L extends string>(
  name: string,
  help: string,
  labels: readonly L[],
  buckets: readonly number[],
) => ({ type: "histogram", name, help, labels, buckets }) satisfies HistogramSpec<L>;

export const REQUESTS_RUNNING: GaugeSpec<"model_name"> = gauge(
  "vllm:num_requests_running",
  "Requests that the engine is computing.",
  ["model_name"],
);
export const REQUESTS_WAITING: GaugeSpec<"model_name"> = gauge(
  "vllm:num_requests_waiting",
  "Requests that wait for a place in the engine.",
  ["model_name"],
);
export const KV_CACHE_USAGE: GaugeSpec<"model_name"> = gauge(
  "vllm:kv_cache_usage_perc",
  "Share of the key-value cache in use; 1 is all of it.",
  ["model_name"],
);
export const PREEMPTIONS: CounterSpec<"model_name"> = counter(
  "vllm:num_preemptions_total",
  "Times that a request's cache was taken away and computed again.",
  ["model_name"],
);
export const PREFIX_QUERIES: CounterSpec<"model_name"> = counter(
  "vllm:prefix_cache_queries_total",
  "Tokens of requests that got a place in the engine.",
  ["model_name"],
);
export const PREFIX_HITS: CounterSpec<"model_name"> = counter(
  "vllm:prefix_cache_hits_total",
  "Those of them whose keys and values were in the cache already.",
  ["model_name"],
);
export const DRAFT_TOKENS: CounterSpec<"model_name"> = counter(
  "vllm:spec_decode_num_draft_tokens_total",
  "Guesses of next tokens that the engine verified.",
  ["model_name"],
);
export const ACCEPTED_TOKENS: CounterSpec<"model_name"> = counter(
  "vllm:spec_decode_num_accepted_tokens_total",
  "Those of them that were right.",
  ["model_name"],
);
export const MODEL_DRAFT_TOKENS: CounterSpec<"model_name"> = counter(
  "sirocco_draft_model_tokens_total",
  "Guesses of the draft model among those that the engine verified.",
  ["model_name"],
);
export const MODEL_ACCEPTED_TOKENS: CounterSpec<"model_name"> = counter(
  "sirocco_draft_model_accepted_tokens_total",
  "Those of them that were right.",
  ["model_name"],
);
export const EXPERT_ROWS: CounterSpec<"model_name" | "expert"> = counter(
  "sirocco_expert_rows_total",
  "Rows that took each expert of a mixture, all layers together; a row takes several.",
  ["model_name", "expert"],
);
export const EXPERT_IMBALANCE: GaugeSpec<"model_name" | "layer"> = gauge(
  "sirocco_expert_imbalance_ratio",
  "Rows of a layer's busiest expert as a multiple of what each would have if all had the same.",
  ["model_name", "layer"],
);
export const PROMPT_TOKENS: CounterSpec<"model_name"> = counter(
  "vllm:prompt_tokens_total",
  "Prompt tokens that the engine was given.",
  ["model_name"],
);
export const GENERATED_TOKENS: CounterSpec<"model_name"> = counter(
  "vllm:generation_tokens_total",
  "Tokens that the engine generated.",
  ["model_name"],
);
export const ANSWERS: CounterSpec<"model_name" | "finished_reason"> = counter(
  "vllm:request_success_total",
  "Finished answers by reason: stop, length, tool_calls or abort.",
  ["model_name", "finished_reason"],
);
export const FIRST_TOKEN_SECONDS: HistogramSpec<"model_name"> = histogram(
  "vllm:time_to_first_token_seconds",
  "Seconds from a request's arrival to its first token.",
  ["model_name"],
  FIRST_TOKEN_BUCKETS,
);
export const INTER_TOKEN_SECONDS: HistogramSpec<"model_name"> = histogram(
  "vllm:inter_token_latency_seconds",
  "Seconds between one token and the next.",
  ["model_name"],
  TOKEN_BUCKETS,
);
export const ANSWER_SECONDS: HistogramSpec<"model_name"> = histogram(
  "vllm:e2e_request_latency_seconds",
  "Seconds from a request's arrival to the end of its answer.",
  ["model_name"],
  REQUEST_BUCKETS,
);
export const QUEUE_SECONDS: HistogramSpec<"model_name"> = histogram(
  "vllm:request_queue_time_seconds",
  "Seconds that a request waited for a place in the engine.",
  ["model_name"],
  REQUEST_BUCKETS,
);
export const PREFILL_SECONDS: HistogramSpec<"model_name"> = histogram(
  "vllm:request_prefill_time_seconds",
  "Seconds that the engine took for a prompt.",
  ["model_name"],
  REQUEST_BUCKETS,
);
export const DECODE_SECONDS: HistogramSpec<"model_name"> = histogram(
  "vllm:request_decode_time_seconds",
  "Seconds from the first token of an answer to its last.",
  ["model_name"],
  REQUEST_BUCKETS,
);
export const PROMPT_LENGTH: HistogramSpec<"model_name"> = histogram(
  "vllm:request_prompt_tokens",
  "Tokens of a prompt.",
  ["model_name"],
  LENGTH_BUCKETS,
);
export const ANSWER_LENGTH: HistogramSpec<"model_name"> = histogram(
  "vllm:request_generation_tokens",
  "Tokens of an answer.",
  ["model_name"],
  LENGTH_BUCKETS,
);
export const REQUESTS: CounterSpec<"code_class"> = counter(
  "sirocco_requests_total",
  "Requests under /v1 by outcome; a stream that failed half-way counts as its error, a client that left as 4xx.",
  ["code_class"],
);
export const REQUEST_SECONDS: HistogramSpec<"code_class"> = histogram(
  "sirocco_request_duration_seconds",
  "Seconds from a request's arrival under /v1 to the last byte of its answer.",
  ["code_class"],
  REQUEST_BUCKETS,
);
export const CACHE_REQUESTS: CounterSpec<"result"> = counter(
  "sirocco_cache_requests_total",
  "Requests by what the cache of answers did: hit, stale, semantic (the answer to other words), refusal (it is known to be refused), miss, collapsed (others were computing it), bypass.",
  ["result"],
);
export const SEMANTIC_ON: GaugeSpec<never> = gauge(
  "sirocco_semantic_cache_on",
  "1 once the embedder has been proved on the polarity suite, 0 before and where it failed.",
  [],
);
export const SEMANTIC_LOOKUPS: CounterSpec<"result"> = counter(
  "sirocco_semantic_lookups_total",
  "Questions looked up by meaning: hit, refused (near, but asks something else), far, no-vector (none came in time).",
  ["result"],
);
export const SEMANTIC_REFUSALS: CounterSpec<"reason"> = counter(
  "sirocco_semantic_refusals_total",
  "Near questions that were not taken for the same, by what differed first: numbers, negation, order, others.",
  ["reason"],
);
export const SEMANTIC_ENTRIES: GaugeSpec<never> = gauge(
  "sirocco_semantic_entries",
  "Questions whose vectors are in memory.",
  [],
);
export const SEMANTIC_BYTES: GaugeSpec<never> = gauge(
  "sirocco_semantic_bytes",
  "Bytes that they take.",
  [],
);
export const SEMANTIC_EMBED_SECONDS: CounterSpec<never> = counter(
  "sirocco_semantic_embed_seconds_total",
  "Seconds that requests waited for the vectors of their questions.",
  [],
);
export const CACHE_VERIFICATIONS: CounterSpec<never> = counter(
  "sirocco_cache_verifications_total",
  "Answers from the cache that were computed again to compare.",
  [],
);
export const CACHE_MISMATCHES: CounterSpec<never> = counter(
  "sirocco_cache_verification_mismatch_total",
  "Those of them that came out differently: any at all is a defect.",
  [],
);
export const ENGINES_BROKEN: CounterSpec<"model_name" | "reason"> = counter(
  "sirocco_engines_broken_total",
  "Engines that broke and were replaced: died, stalled, device, memory, trap, defect.",
  ["model_name", "reason"],
);
export const DEVICES_LOST: CounterSpec<"model_name"> = counter(
  "sirocco_device_lost_total",
  "Those of them whose GPU was lost or refused a command.",
  ["model_name"],
);
export const MIGRATIONS: CounterSpec<"model_name"> = counter(
  "sirocco_migrations_total",
  "Requests that went on with another engine as theirs had broken.",
  ["model_name"],
);
export const ENGINE_READY: GaugeSpec<"model_name"> = gauge(
  "sirocco_engine_ready",
  "1 while there is an engine, 0 while one that broke is being replaced.",
  ["model_name"],
);
export const ENGINE_DEGRADED: GaugeSpec<"model_name"> = gauge(
  "sirocco_engine_degraded",
  "1 once a GPU has been given up for the CPU.",
  ["model_name"],
);
export const SERVED: CounterSpec<"rung" | "why"> = counter(
  "sirocco_served_total",
  "Answers by who began to give them (local, pool, upstream), and why, where there is a choice.",
  ["rung", "why"],
);
export const POOL_EVENTS: CounterSpec<"event"> = counter(
  "sirocco_pool_events_total",
  "What the pool did for requests: retry, hedge, hedge_won, move (a node was lost before its first byte), continue (after it), joined (an equal request of another isolate was under way), flight_lost (where they meet nobody answered).",
  ["event"],
);
export const POOL_GAP_SECONDS: HistogramSpec<never> = histogram(
  "sirocco_pool_gap_seconds",
  "How long an answer stood still between the loss of its node and the next event of another.",
  [],
  FIRST_TOKEN_BUCKETS,
);
export const POOL_NODE_IN: GaugeSpec<"node"> = gauge(
  "sirocco_pool_node_in",
  "1 where a node of the pool gets requests, 0 where it gets none.",
  ["node"],
);
export const POOL_IN_FLIGHT: GaugeSpec<"node"> = gauge(
  "sirocco_pool_requests_in_flight",
  "Requests that a node of the pool has from this server.",
  ["node"],
);
export const LOOP_LAG_SECONDS: GaugeSpec<never> = gauge(
  "sirocco_eventloop_lag_seconds",
  "How late the server's event loop is.",
  [],
);
export const MEMORY_BYTES: GaugeSpec<"kind"> = gauge(
  "sirocco_memory_bytes",
  "Bytes in use by kind; gpu is what of weights, kv and activations lies on a GPU.",
  ["kind"],
);
export const BACKEND_INFO: GaugeSpec<"model_name" | "backend" | "reason"> = gauge(
  "sirocco_backend_info",
  "1 for the backend that computes a model and the reason why it is this one, 0 for those before.",
  ["model_name", "backend", "reason"],
);
export const BUILD_INFO: GaugeSpec<"version"> = gauge(
  "sirocco_build_info",
  "Always 1; the version is the label.",
  ["version"],
);
export const TRACE_SPANS_LOST: CounterSpec<never> = counter(
  "sirocco_trace_spans_lost_total",
  "Spans that the collector did not take, or too slowly.",
  [],
);
export const SERIES_OVERFLOW: CounterSpec<"metric"> = counter(
  "sirocco_metric_overflow_total",
  "Samples that went to the series `other` because a metric had too many series.",
  ["metric"],
);
