/** The public surface of the runtime-agnostic core. */

export {
  createAssistant,
  type Assistant,
  type AssistantParts,
  type ChatOptions,
} from "./api/assistant.ts";
export {
  answer,
  type AnswerDone,
  type AnswerEvent,
  type AnswerRequest,
  type AnswerText,
  type AnswerTimings,
} from "./answer/answer.ts";
export type { ChoiceEvent } from "./answer/several.ts";
export type { AnswerToken, TokenChance } from "./answer/token.ts";
export {
  createAnswerCache,
  type AnswerCache,
  type AnswerCacheOptions,
  type Asker,
  type Hit,
  type Joined,
  type NewAnswer,
  type Rendered,
} from "./cache/answers.ts";
export type { Json } from "./cache/canonical-json.ts";
export type { CachedAnswer } from "./cache/entry.ts";
export type { StaleLimits } from "./cache/freshness.ts";
export {
  guardStore,
  type GuardedStore,
  type GuardOptions,
  type StoreEvent,
} from "./cache/guarded-store.ts";
export { createMemoryStore } from "./cache/memory-store.ts";
export type { Purges } from "./cache/purges.ts";
export type { Refusal, Refusals } from "./cache/refusals.ts";
export type { Scope as CacheScope } from "./cache/scope.ts";
export type { Difference } from "./cache/semantic/content-gate.ts";
export type { Embedder, EmbedOptions } from "./cache/semantic/embedder.ts";
export type { PolarityVerdict, Tally } from "./cache/semantic/polarity-trial.ts";
export type { IndexBounds } from "./cache/semantic/question-index.ts";
export {
  createSemanticAnswers,
  type AskedQuestion,
  type LookupResult,
  type SemanticAnswers,
  type SemanticLookup,
  type SemanticMatch,
  type SemanticOptions,
  type SemanticState,
  type SemanticStats,
  type Verdicts,
} from "./cache/semantic/semantic-answers.ts";
export type { SharedAnswer, SharedAnswerOptions } from "./cache/shared-answer.ts";
export type { CacheStore } from "./cache/store.ts";
export type { ChatMessage, ChatTemplate, ChatToolCall, RenderOptions } from "./chat/template.ts";
export type { Breakage, BreakReason } from "./engine/breakage.ts";
export type { EngineChange, OpenContext, OpenedEngine } from "./engine/engine-succession.ts";
export type { WaitLimits } from "./engine/engine-waiters.ts";
export type { RestartLimits } from "./engine/restart-policy.ts";
export type { StallLimits } from "./engine/stall-watch.ts";
export type { LoraUse } from "./engine/lora.ts";
export { type EngineCondition, type SupervisedEngine } from "./engine/lasting-engine.ts";
export {
  superviseEngine,
  SUPERVISION_LIMITS,
  type SupervisionLimits,
  type SupervisionOptions,
} from "./engine/supervised.ts";
export type {
  DoneEvent,
  EmbedRequest,
  Engine,
  EngineInfo,
  EngineStats,
  GenerateEvent,
  GenerateRequest,
  GenerateTimings,
  MortalEngine,
  ScoreRequest,
  TokenEvent,
} from "./engine/engine.ts";
export {
  ERRORS,
  RuntimeError,
  type ErrorCode,
  type RuntimeErrorOptions,
  type WireError,
} from "./errors.ts";
export type { AnswerFormat } from "./grammar/format.ts";
export type { Constraint } from "./grammar/constraint.ts";
export type { Grammar } from "./grammar/grammar.ts";
export { tokenBytes, type TokenBytes } from "./grammar/token-bytes.ts";
export type { ToolCallDelta, TurnDone, TurnEvent } from "./tools/events.ts";
export type { ToolFormName } from "./tools/forms.ts";
export type { Candidate } from "./pool/affinity.ts";
export type { Standing } from "./pool/health.ts";
export type { PoolModel } from "./pool/node-models.ts";
export type { KnownNode, PoolNode } from "./pool/nodes.ts";
export { DEFAULT_OVERFLOW, type OverflowLimits } from "./pool/overflow.ts";
export {
  createPool,
  type Forwarded,
  type Pool,
  type PoolEvent,
  type PoolOptions,
  type Question,
} from "./pool/pool.ts";
export type { Relay } from "./pool/relay-header.ts";
export type { Transcript } from "./pool/transcript.ts";
export {
  createFetchTransport,
  type Fetch,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from "./pool/transport.ts";
export {
  createUpstream,
  type Upstream,
  type UpstreamOptions,
  type UpstreamRequest,
} from "./pool/upstream.ts";
export { createApp, type App, type RouteScope } from "./http/app.ts";
export type { Arrival, ReadHeaders } from "./http/arrival.ts";
export type { HitLane, OpenedLane } from "./http/hit-lane.ts";
export type { Reply } from "./http/exchange.ts";
export type { TimeLimit } from "./http/time-limit.ts";
export {
  createAccess,
  type Access,
  type ApiKey,
  type Caller,
  type KeyScope,
  type Scope,
} from "./http/edge/access.ts";
export type { Allowance, KeyLimits, Reservation } from "./http/edge/allowance.ts";
export { allowedHosts } from "./http/edge/host.ts";
export { createKey, hashKey } from "./http/edge/key-hash.ts";
export {
  DEFAULT_LIMITS,
  type AnswerCaching,
  type AppDeps,
  type HttpLimits,
  type LogRecord,
  type ServedModel,
  type ServerState,
} from "./http/deps.ts";
export { modelsWith, type ServedLora } from "./http/lora-models.ts";
export type { SharedFile } from "./http/shared-file.ts";
export type { Head } from "./http/wire/format.ts";
export type { Counter, Gauge, Histogram, Labels, Metrics } from "./metrics/metrics.ts";
export type { CounterSpec, GaugeSpec, HistogramSpec, MetricSpec } from "./metrics/names.ts";
export type { LoadProgress } from "./model/load.ts";
export type { ModelConfig, Pooling, RopeConfig, RopeScaling } from "./model/model.ts";
export { NUMERICS_VERSION, type Numerics } from "./engine/numerics.ts";
export { systemFingerprint } from "./receipt/fingerprint.ts";
export { parseReceipt } from "./receipt/parse.ts";
export { toReceiptJson, type Receipt, type ReceiptFacts } from "./receipt/receipt.ts";
export {
  verifyReceipt,
  type DifferentVerdict,
  type SameVerdict,
  type Verdict,
  type Verifier,
} from "./receipt/verify.ts";
export { createExporter, type Exporter, type ExporterOptions } from "./trace/exporter.ts";
export type { Attributes, AttributeValue, Span, Tracer } from "./trace/span.ts";
export type { TraceContext } from "./trace/traceparent.ts";
export type { Choice, ChoiceReason } from "./tensor/choice.ts";
export type { RopeStyle } from "./tensor/backend.ts";
export type { WeightType } from "./tensor/dtype.ts";
export type { KvType } from "./tensor/kv-type.ts";
export { GREEDY, type SamplingParams } from "./sampler/params.ts";
export type { EncodeOptions, TokenDecoder, Tokenizer } from "./tokenizer/tokenizer.ts";
