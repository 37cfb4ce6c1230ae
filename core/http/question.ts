import { requestDocument, type Provenance } from "../cache/keys.ts";
import type { Json } from "../cache/canonical-json.ts";
import type { Asked, AskedChat } from "./wire/asked.ts";

/** What of a request may be asked in other words, and what must be the same. */
export interface SingleQuestion {
  /** The last turn's text. */
  readonly text: string;
  /** All of the request's document but that text. */
  readonly rest: Json;
}

/** Paths of conversations, whose requests may have a question that others ask as well. */
export const CONVERSATION_PATHS: readonly string[] = [
  "/v1/chat/completions",
  "/v1/responses",
  "/v1/messages",
  "/api/chat",
];

/** A request of a client that wants answers to its own words only: `x-sirocco-semantic: off`. */
export function wantsOwnWords(headers: Headers): boolean {
  return headers.get("x-sirocco-semantic") === "off";
}

/**
 * The question of a conversation that has one turn; `undefined` for everything else: earlier turns say what the last
 * one means, the beginning of an answer and log-probabilities are of these very words.
 */
export function singleQuestion(asked: Asked, from: Provenance): SingleQuestion | undefined {
  if (!isConversation(asked)) return undefined;
  const { messages, prefill, tools, logprobs } = asked;
  if (prefill !== undefined || tools !== undefined || logprobs !== undefined) return undefined;
  const last = messages.at(-1);
  if (last?.role !== "user") return undefined;
  const before = messages.slice(0, -1);
  if (before.some(({ role }) => role !== "system")) return undefined;
  const rest = { ...asked, messages: [...before, { ...last, content: "" }] };
  return { text: last.content, rest: ["question", requestDocument(rest, from)] };
}

function isConversation(asked: Asked): asked is AskedChat {
  return "messages" in asked;
}
