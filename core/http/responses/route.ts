import { chatPrompt } from "../chat.ts";
import type { Route } from "../pipeline.ts";
import { parseResponseRequest, type AskedResponse } from "./request.ts";
import { createResponseFormat } from "./response.ts";

/** OpenAI's `POST /v1/responses`, without a store: each request brings its whole conversation. */
export const responsesRoute: Route<AskedResponse> = {
  idPrefix: "resp_",
  parse: parseResponseRequest,
  prompts: (model, asked, now) => [chatPrompt(model, asked, now)],
  format: createResponseFormat,
};
