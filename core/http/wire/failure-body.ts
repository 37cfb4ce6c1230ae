import type { ErrorBody, Failure } from "../failure.ts";

/** How an API writes an error. */
export type FailureStyle = (failure: Failure, requestId: string) => object;

/** OpenAI's, and that of everything that belongs to nobody. */
export const openaiFailure = ({ body }: Failure): ErrorBody => body;

/** Ollama's: nothing but a sentence. */
export const ollamaFailure = ({ body }: Failure): object => ({ error: body.error.message });

/** Anthropic's own types, by status (https://docs.anthropic.com/en/api/errors). */
const ANTHROPIC_TYPES: ReadonlyMap<number, string> = new Map([
  [400, "invalid_request_error"],
  [401, "authentication_error"],
  [403, "permission_error"],
  [404, "not_found_error"],
  [405, "invalid_request_error"],
  [408, "timeout_error"],
  [413, "request_too_large"],
  [415, "invalid_request_error"],
  [429, "rate_limit_error"],
  [503, "overloaded_error"],
  [504, "timeout_error"],
]);

/** Anthropic's. */
export const anthropicFailure: FailureStyle = ({ status, body }, requestId) => ({
  type: "error",
  error: { type: ANTHROPIC_TYPES.get(status) ?? "api_error", message: body.error.message },
  request_id: requestId,
});

/** Mistral's: a list of what is wrong with a request, one object for everything else. */
export const mistralFailure: FailureStyle = ({ status, body }) => {
  const { message, type, param, code } = body.error;
  if (statusIn(mistralFailure, status) !== UNPROCESSABLE)
    return { object: "error", message, type, param, code };
  return {
    detail: [{ loc: ["body", ...toPath(param)], msg: message, type: code ?? "value_error" }],
  };
};

/** Mistral's status of a request that is wrong. */
const UNPROCESSABLE = 422;

/** The status of a failure in a style: all say the same but for one. */
export function statusIn(style: FailureStyle, status: number): number {
  return style === mistralFailure && status === 400 ? UNPROCESSABLE : status;
}

/** The style of a path's API. */
export function failureStyle(path: string): FailureStyle {
  if (path.startsWith("/api/")) return ollamaFailure;
  if (path.startsWith("/v1/messages")) return anthropicFailure;
  return path.startsWith("/v1/fim/") ? mistralFailure : openaiFailure;
}

/** `messages[0].content` as a list of keys. */
function toPath(param: string | null): (string | number)[] {
  if (param === null) return [];
  return [...param.matchAll(/[^.[\]]+/g)].map(([key]) => (/^\d+$/.test(key) ? Number(key) : key));
}
