import * as v from "valibot";
import { KEY_SCOPES, MAX_KEYS, type KeyScope } from "../../../core/http/edge/access.ts";
import { MAX_LORAS } from "../../../core/lora/limits.ts";
import { TARGET_TYPES } from "../../../core/quant/quantize.ts";
import type { WeightType } from "../../../core/tensor/dtype.ts";
import { KV_TYPES, type KvType } from "../../../core/tensor/kv-type.ts";
import { BACKEND_PREFERENCES, type BackendPreference } from "../backend.ts";
import { SIZE } from "../size.ts";

/** A configuration file's content; {@linkcode CONFIG_SCHEMA} says what each setting means. */
export interface ConfigFile {
  readonly $schema?: string | undefined;
  readonly model?: string | false | undefined;
  readonly model_host?: readonly string[] | undefined;
  readonly draft?: string | undefined;
  readonly lora?: readonly string[] | undefined;
  readonly alias?: string | undefined;
  readonly ctx_size?: number | undefined;
  readonly batch_size?: number | undefined;
  readonly parallel?: number | undefined;
  readonly threads?: number | undefined;
  readonly backend?: BackendPreference | undefined;
  readonly kv_type?: KvType | undefined;
  readonly gpu_memory?: number | string | undefined;
  readonly quantize?: WeightType | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly drain_delay?: number | undefined;
  readonly grace?: number | undefined;
  readonly json?: boolean | undefined;
  readonly cache?: readonly string[] | undefined;
  readonly cache_size?: number | undefined;
  readonly cache_ttl?: number | undefined;
  readonly cache_verify?: number | undefined;
  readonly semantic_cache?: string | undefined;
  readonly semantic_paths?: readonly string[] | undefined;
  readonly pool?: readonly string[] | undefined;
  readonly pool_key_file?: string | undefined;
  readonly overflow_queue?: number | undefined;
  readonly overflow_wait?: number | undefined;
  readonly upstream?: string | undefined;
  readonly upstream_model?: string | undefined;
  readonly upstream_key_file?: string | undefined;
  readonly upstream_rpm?: number | undefined;
  readonly share_model?: boolean | undefined;
  readonly allow_host?: readonly string[] | undefined;
  readonly cors_origin?: readonly string[] | undefined;
  readonly tracing?: ConfigTracing | undefined;
  readonly limits?: ConfigLimits | undefined;
  readonly keys?: readonly ConfigKey[] | undefined;
}

/** Where traces go, and how many. */
export interface ConfigTracing {
  readonly endpoint: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly service_name?: string | undefined;
  readonly sample_ratio?: number | undefined;
}

/** Limits of requests; durations in seconds. */
export interface ConfigLimits {
  readonly body_bytes?: number | undefined;
  readonly body_timeout?: number | undefined;
  readonly stream_stall?: number | undefined;
  readonly loading_wait?: number | undefined;
}

/** A key as the file has it. */
export interface ConfigKey {
  readonly id: string;
  readonly hash: string;
  readonly scopes?: readonly KeyScope[] | undefined;
  readonly tenant?: string | undefined;
  readonly priority?: number | undefined;
  readonly models?: readonly string[] | undefined;
  readonly requests_per_minute?: number | undefined;
  readonly tokens_per_minute?: number | undefined;
}

/** Text that names something: short, and not empty. */
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(200));
const path = v.pipe(v.string(), v.minLength(1), v.maxLength(4096));
const names = v.array(name);
const positive = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(1),
  v.maxValue(Number.MAX_SAFE_INTEGER),
);
const seconds = v.pipe(v.number(), v.minValue(0), v.maxValue(86_400));
const origin = v.pipe(
  v.string(),
  v.regex(/^https?:\/\/[^/\s]+$/, "expected an origin: https://app.example, without a path"),
);

const key = v.strictObject({
  id: described(
    v.pipe(name, v.regex(/^[\w.:@-]+$/, "expected letters, digits and . : @ - _")),
    "Its name in logs.",
  ),
  hash: described(
    v.pipe(
      v.string(),
      v.regex(
        /^sha256:[0-9a-f]{64}$/,
        "expected sha256: and 64 hex digits, as `sirocco keys hash` prints",
      ),
    ),
    "SHA-256 of the key, as `sirocco keys create` and `sirocco keys hash` print it; never the key itself.",
  ),
  scopes: described(
    v.optional(v.array(v.picklist(KEY_SCOPES))),
    'What it may do; ["inference"] unless given.',
  ),
  tenant: described(
    v.optional(name),
    "Whose requests share a turn in the queue and a cache; its id unless given.",
  ),
  priority: described(
    v.optional(v.pipe(v.number(), v.integer(), v.minValue(-4), v.maxValue(4))),
    "Higher goes first in the queue; 0 unless given.",
  ),
  models: described(v.optional(names), "Ids of the models that it may ask; all unless given."),
  requests_per_minute: described(v.optional(positive), "No limit unless given."),
  tokens_per_minute: described(
    v.optional(positive),
    "Prompts and answers together; no limit unless given.",
  ),
});

const limits = v.strictObject({
  body_bytes: described(v.optional(positive), "Bytes of a request's body; 4194304 unless given."),
  body_timeout: described(
    v.optional(seconds),
    "Seconds that a client has to send its body; 30 unless given.",
  ),
  stream_stall: described(
    v.optional(seconds),
    "A stream whose client has not read for so many seconds is closed; 30 unless given.",
  ),
  loading_wait: described(
    v.optional(seconds),
    "Seconds that a request waits for a model that is loading; 60 unless given.",
  ),
});

const tracing = v.strictObject({
  endpoint: described(
    v.pipe(v.string(), v.regex(/^https?:\/\/\S+$/, "expected an http: or https: URL")),
    "A collector that speaks OTLP over HTTP, without /v1/traces: http://127.0.0.1:4318.",
  ),
  headers: described(v.optional(v.record(name, v.string())), "Sent along, such as credentials."),
  service_name: described(v.optional(name), "sirocco unless given."),
  sample_ratio: described(
    v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
    "Share of traces that are recorded where the client does not say; 1 unless given.",
  ),
});

/** What `sirocco serve --config` reads. Settings with a flag are named as it is, with `_` for `-`. */
export const CONFIG_SCHEMA: v.GenericSchema<unknown, ConfigFile> = v.strictObject({
  $schema: v.optional(v.string()),
  model: described(
    v.optional(v.union([path, v.literal(false)])),
    "GGUF file, folder with safetensors, or http(s) URL; false for none, where a pool has one.",
  ),
  model_host: described(v.optional(names), "Hosts of model URLs that may have private addresses."),
  draft: described(
    v.optional(path),
    "Smaller model of the same vocabulary that guesses next tokens where that pays.",
  ),
  lora: described(
    v.optional(v.pipe(v.array(path), v.maxLength(MAX_LORAS))),
    "Adapters of low rank that requests may take, each as [name=]FILE[:scale].",
  ),
  alias: described(v.optional(name), "Name of the model for requests; the file's unless given."),
  ctx_size: described(v.optional(positive), "Tokens of prompt and answer together."),
  batch_size: described(v.optional(positive), "Rows of one step."),
  parallel: described(v.optional(positive), "Requests that run at the same time."),
  threads: described(v.optional(positive), "Threads that compute."),
  backend: described(v.optional(v.picklist(BACKEND_PREFERENCES)), "What computes."),
  kv_type: described(v.optional(v.picklist(KV_TYPES)), "How keys and values are cached."),
  gpu_memory: described(
    v.optional(
      v.union([
        positive,
        v.pipe(v.string(), v.regex(SIZE, "expected a size: 512M, 4G, or a number of bytes")),
      ]),
    ),
    "Memory of the GPU that may be taken: 512M, 4G, or a number of bytes.",
  ),
  quantize: described(
    v.optional(v.picklist(TARGET_TYPES)),
    "Type that weights are given while they load; as in the file unless given.",
  ),
  host: described(v.optional(name), "Address to listen on; 127.0.0.1 unless given."),
  port: described(
    v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535))),
    "Port to listen on; 8080 unless given.",
  ),
  drain_delay: described(v.optional(seconds), "Seconds to serve on after SIGTERM, unready."),
  grace: described(v.optional(seconds), "Seconds that running requests then have to end."),
  json: described(v.optional(v.boolean()), "Log JSON lines."),
  cache: described(
    v.optional(names),
    "Keep answers that are certain: memory, sqlite:FILE, redis://HOST.",
  ),
  cache_size: described(v.optional(positive), "MiB of answers in memory; 64 unless given."),
  cache_ttl: described(
    v.optional(positive),
    "Seconds that an answer is fresh; 86400 unless given.",
  ),
  cache_verify: described(
    v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
    "Compute one in so many kept answers again; 0 = none; 1000 unless given.",
  ),
  semantic_cache: described(
    v.optional(path),
    "Answer questions that were asked in other words, too: the model that tells how near they are, or self.",
  ),
  semantic_paths: described(
    v.optional(names),
    'Paths that are answered so; ["/v1/chat/completions"] unless given.',
  ),
  pool: described(
    v.optional(names),
    "Servers of ours that answer what has no room here: [name=]http://host:port.",
  ),
  pool_key_file: described(v.optional(path), "File with what opens the pool."),
  overflow_queue: described(
    v.optional(positive),
    "So many requests wait here before the pool is asked; 8 unless given.",
  ),
  overflow_wait: described(
    v.optional(seconds),
    "Seconds that a request would wait here before the pool is asked; 1 unless given.",
  ),
  upstream: described(
    v.optional(name),
    "Server that speaks OpenAI's API, for when there is room nowhere.",
  ),
  upstream_model: described(v.optional(name), "What it calls its model."),
  upstream_key_file: described(v.optional(path), "File with what opens it."),
  upstream_rpm: described(v.optional(positive), "Requests that it may get in a minute."),
  share_model: described(
    v.optional(v.boolean()),
    "Let browsers answer by themselves: who may ask the model may then download it; false unless given.",
  ),
  allow_host: described(
    v.optional(names),
    "Names in Host that are accepted beside those of loopback; away from loopback: instead of any.",
  ),
  cors_origin: described(
    v.optional(v.array(origin)),
    "Origins whose pages may read answers; none unless given.",
  ),
  tracing: described(v.optional(tracing), "Where traces go; none are made unless given."),
  limits: described(v.optional(limits), "Limits of requests; read again while serving."),
  keys: described(
    v.optional(v.pipe(v.array(key), v.maxLength(MAX_KEYS))),
    "Who may do what; everybody everything unless given, nobody anything where empty. Read again while serving.",
  ),
});

/** Describe a field, for editors. */
function described<S extends v.GenericSchema>(
  schema: S,
  text: string,
): v.SchemaWithPipe<readonly [S, v.DescriptionAction<v.InferOutput<S>, string>]> {
  return v.pipe(schema, v.description(text));
}
