import { countTokens, messagesRoute } from "./anthropic/routes.ts";
import { chatRoute } from "./chat.ts";
import { completionRoute } from "./completions.ts";
import { embed, type EmbedRoute } from "./embeddings.ts";
import type { Exchange } from "./exchange.ts";
import { fimRoute } from "./fim.ts";
import { forward, onlyForwards } from "./forward.ts";
import {
  generateRoute,
  ollamaChatRoute,
  ollamaEmbedRoute,
  running,
  show,
  tags,
  version,
} from "./ollama/routes.ts";
import { complete, type Route, type Server } from "./pipeline.ts";
import { responsesRoute } from "./responses/route.ts";
import { detokenize, tokenize } from "./tokenize.ts";
import type { Asked } from "./wire/asked.ts";
import { parseEmbeddingRequest } from "./wire/embedding-request.ts";
import { toEmbeddingList } from "./wire/embedding-response.ts";

/** A path of somebody's API, which needs a key for inference. */
export interface ApiRoute {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** Whether its answers may be kept. */
  readonly keeps?: boolean;
  answer(request: Request, exchange: Exchange, server: Server): Response | Promise<Response>;
}

const completing = <A extends Asked>(path: string, route: Route<A>): ApiRoute => ({
  method: "POST",
  path,
  keeps: true,
  answer: (request, exchange, server) => complete(request, route, exchange, server),
});

const embedding = (path: string, route: EmbedRoute): ApiRoute => ({
  method: "POST",
  path,
  answer: (request, exchange, server) => embed(request, route, exchange, server),
});

/** What is not an answer and needs a model; where there is none, a node of the pool is asked. */
const orForwarded = (route: ApiRoute): ApiRoute => ({
  ...route,
  answer: (request, exchange, server) =>
    onlyForwards(server)
      ? forward(request, exchange, server)
      : route.answer(request, exchange, server),
});

/** Every API but the list of models, which is in `app.ts`; README.md of this folder says what is honoured. */
export const API_ROUTES: readonly ApiRoute[] = [
  // OpenAI's, and with more parameters Mistral's.
  completing("/v1/chat/completions", chatRoute),
  completing("/v1/completions", completionRoute),
  completing("/v1/fim/completions", fimRoute),
  completing("/v1/responses", responsesRoute),
  orForwarded(
    embedding("/v1/embeddings", { parse: parseEmbeddingRequest, write: toEmbeddingList }),
  ),
  // Anthropic's.
  completing("/v1/messages", messagesRoute),
  orForwarded({ method: "POST", path: "/v1/messages/count_tokens", answer: countTokens }),
  // Ollama's.
  completing("/api/chat", ollamaChatRoute),
  completing("/api/generate", generateRoute),
  orForwarded(embedding("/api/embed", ollamaEmbedRoute)),
  orForwarded({ method: "POST", path: "/api/show", answer: show }),
  { method: "GET", path: "/api/tags", answer: tags },
  { method: "GET", path: "/api/ps", answer: running },
  { method: "GET", path: "/api/version", answer: version },
  // vLLM's.
  orForwarded({ method: "POST", path: "/tokenize", answer: tokenize }),
  orForwarded({ method: "POST", path: "/detokenize", answer: detokenize }),
];

/** Paths whose answers may be kept. */
export const ANSWER_PATHS: readonly string[] = API_ROUTES.filter(({ keeps }) => keeps === true).map(
  ({ path }) => path,
);
