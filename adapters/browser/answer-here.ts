/** What the chat page loads to answer in the browser itself; nothing else uses it. */
import { chatRoute } from "../../core/http/chat.ts";
import { type AppDeps, DEFAULT_LIMITS, type ServedModel } from "../../core/http/deps.ts";
import { complete, type Server } from "../../core/http/pipeline.ts";
import { createServe } from "../../core/http/serve.ts";
import { createServerMetrics } from "../../core/http/server-metrics.ts";
import { createMetrics } from "../../core/metrics/metrics.ts";
import { type LoadOptions, openEngine } from "./open-engine.ts";

/** A model of the server's list, as far as it is asked for here. */
export interface ListedModel {
  readonly id: string;
  readonly digest: string;
}

/** A model that answers in this page. */
export interface AnswersHere {
  /** `webgpu`, `wasm-relaxed`: what computes. */
  readonly backend: string;
  /** Threads that compute. */
  readonly threads: number;
  /** Why that computes, for people. */
  readonly why: string;
  /** Answer a request to `/v1/chat/completions` as the server would. */
  fetch(request: Request): Promise<Response>;
  /** End its answers and release its memory. */
  close(): Promise<void>;
}

/** Load the model at `url` and answer with it. Rejects as `load` does. */
export async function answerHere(
  url: URL,
  { id, digest }: ListedModel,
  options: LoadOptions,
): Promise<AnswersHere> {
  const opened = await openEngine(url, options);
  const { engine, tokenizer, template } = opened;
  const served: ServedModel = {
    id,
    created: 0,
    engine,
    condition: () => opened.condition(),
    tokenizer,
    template,
    contextLength: engine.info.contextLength,
    digest,
    ownedBy: "sirocco",
  };
  const deps: AppDeps = {
    models: () => [served],
    state: () => "ready",
    version: "",
    now: () => performance.now(),
    wallClock: () => Date.now(),
    randomId: () => crypto.randomUUID(),
    log: () => {},
  };
  const metrics = createServerMetrics(createMetrics(), deps);
  const server: Server = { deps, limits: DEFAULT_LIMITS, metrics };
  const serve = createServe(server);
  return {
    backend: engine.info.backend,
    threads: engine.info.threads,
    why: engine.info.choice?.detail ?? "",
    fetch: (request) =>
      serve(request, "inference", (asked, exchange) =>
        complete(asked, chatRoute, exchange, server),
      ),
    close: () => opened.close(),
  };
}
