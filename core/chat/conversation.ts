/** A conversation as plain data for a template: nothing but JSON gets in, whatever a caller passes. */
import { RuntimeError } from "../errors.ts";
import { MAX_DEPTH } from "./budget.ts";
import type { ChatMessage, RenderOptions } from "./template.ts";

/** JSON. */
type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What a template is told of a conversation; roles and other fixed words are left out. */
export interface Conversation {
  readonly messages: readonly Json[];
  readonly tools: readonly Json[] | null;
}

/** Every text of a conversation is passed through this; fixed words and names of fields are not. */
export type Rewrite = (text: string) => string;

/**
 * Messages and tools in the form of the OpenAI wire, as templates expect them. Arguments of calls that
 * are JSON in a string become the object itself: templates write it out in their own way.
 */
export function toConversation(
  messages: readonly ChatMessage[],
  { tools }: RenderOptions,
  rewrite: Rewrite,
): Conversation {
  return {
    messages: messages.map((message, i) => toMessage(message, i, rewrite)),
    tools: tools === undefined ? null : tools.map((tool) => toJson(tool, rewrite)),
  };
}

/** Templates write roles out unmarked, inside of control tokens too (`'<|' ~ role ~ '|>'`). */
const ROLES: ReadonlySet<string> = new Set(["system", "user", "assistant", "tool"]);

function toMessage(message: ChatMessage, index: number, rewrite: Rewrite): Json {
  const { role, content, name, toolCallId, toolCalls } = message;
  if (!ROLES.has(role)) {
    throw new RuntimeError(
      "INVALID_REQUEST",
      `Cannot use the role ${JSON.stringify(role)}: known are ${[...ROLES].join(", ")}`,
      { param: `messages[${index}].role` },
    );
  }
  return {
    role,
    content: rewrite(content),
    ...(name === undefined ? {} : { name: rewrite(name) }),
    ...(toolCallId === undefined ? {} : { tool_call_id: rewrite(toolCallId) }),
    ...(toolCalls === undefined || toolCalls.length === 0
      ? {}
      : {
          tool_calls: toolCalls.map((call) => ({
            id: rewrite(call.id),
            type: "function",
            function: {
              name: rewrite(call.function.name),
              arguments: toJson(parseArguments(call.function.arguments), rewrite),
            },
          })),
        }),
  };
}

function parseArguments(value: unknown): unknown {
  if (typeof value !== "string") return value ?? {};
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === "object" && parsed !== null ? parsed : value;
  } catch {
    return value;
  }
}

function toJson(value: unknown, rewrite: Rewrite, depth = 0): Json {
  if (depth > MAX_DEPTH) {
    throw new RuntimeError(
      "TEMPLATE_FAILED",
      `Cannot render the chat template: tools or arguments nest deeper than ${MAX_DEPTH}`,
    );
  }
  if (typeof value === "string") return rewrite(value);
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value !== "object" || value === null) return null;
  if (Array.isArray(value)) return value.map((item) => toJson(item, rewrite, depth + 1));
  const entries: [string, Json][] = [];
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined) entries.push([rewrite(key), toJson(item, rewrite, depth + 1)]);
  }
  return Object.fromEntries(entries);
}
