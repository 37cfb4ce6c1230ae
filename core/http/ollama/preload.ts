import type { NothingAsked } from "../nothing-asked.ts";
import { type AskedPreload, parseEmptyChat, parseEmptyGenerate } from "./request.ts";

/** What `/api/chat` without messages is told: the model is in memory, as it always is. */
export function chatPreload(body: unknown): NothingAsked | undefined {
  return toNothing(parseEmptyChat(body), { message: { role: "assistant", content: "" } });
}

/** The same of `/api/generate` without a prompt. */
export function generatePreload(body: unknown): NothingAsked | undefined {
  return toNothing(parseEmptyGenerate(body), { response: "" });
}

function toNothing(asked: AskedPreload | undefined, empty: object): NothingAsked | undefined {
  if (asked === undefined) return undefined;
  const { model, leaves, ignored } = asked;
  return {
    model,
    ignored,
    answer: (name, at) => ({
      model: name,
      created_at: new Date(at).toISOString(),
      ...empty,
      done: true,
      done_reason: leaves ? "unload" : "load",
    }),
  };
}
