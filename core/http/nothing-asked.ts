import type { AppDeps } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import { findAnywhere } from "./found-model.ts";

/** A body that names a model and asks nothing of it. */
export interface NothingAsked {
  readonly model: string;
  readonly ignored: readonly string[];
  /** The body of the answer; `at`: milliseconds since 1970. */
  answer(model: string, at: number): object;
}

/** The model is there, and has nothing to do. */
export function answerNothing(nothing: NothingAsked, exchange: Exchange, deps: AppDeps): Response {
  const model = findAnywhere(deps, nothing.model);
  exchange.note({ model: model.id });
  exchange.caller.checkModel(model.id);
  const response = Response.json(nothing.answer(model.id, deps.wallClock()));
  if (nothing.ignored.length > 0)
    response.headers.set("x-sirocco-ignored", nothing.ignored.join(", "));
  return response;
}
