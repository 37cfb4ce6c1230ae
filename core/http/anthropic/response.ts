import { joinToolCalls, type ToolCallDelta, type TurnDone } from "../../tools/events.ts";
import { anthropicFailure } from "../wire/failure-body.ts";
import { textOf, type Choice, type Format, type Head, type Total } from "../wire/format.ts";
import { ANTHROPIC_SSE } from "../wire/framing.ts";
import { parseJson } from "../wire/json.ts";

/** The shapes of a `message` and of the events by which it is streamed. */
export function createMessageFormat(head: Head): Format {
  const message = (content: readonly object[], done: TurnDone | undefined, usage: object) => ({
    id: head.id,
    type: "message",
    role: "assistant",
    model: head.model,
    content,
    ...toStop(done),
    container: null,
    usage,
  });
  /** The block that is being written: its number and what it holds. */
  let block = -1;
  let open: "text" | "tool_use" | undefined;
  let end: TurnDone | undefined;

  const close = (): object[] => {
    if (open === undefined) return [];
    open = undefined;
    return [{ type: "content_block_stop", index: block }];
  };
  const begin = (type: "text" | "tool_use", content: object): object[] => {
    const closed = close();
    open = type;
    block++;
    return [...closed, { type: "content_block_start", index: block, content_block: content }];
  };
  const more = (delta: object): object => ({ type: "content_block_delta", index: block, delta });

  return {
    framing: ANTHROPIC_SSE,
    opening() {
      const usage = { input_tokens: head.promptTokens, output_tokens: 0, ...NO_CACHE };
      return [{ type: "message_start", message: message([], undefined, usage) }];
    },
    text({ text }) {
      if (text === "") return [];
      const begun =
        open === "text" ? [] : begin("text", { type: "text", text: "", citations: null });
      return [...begun, more({ type: "text_delta", text })];
    },
    toolCall({ id, name, arguments: json }: ToolCallDelta) {
      const begun =
        id === undefined ? [] : begin("tool_use", { type: "tool_use", id, name, input: {} });
      return json === ""
        ? begun
        : [...begun, more({ type: "input_json_delta", partial_json: json })];
    },
    finish(done) {
      end = done;
      return close();
    },
    closing(total) {
      return [
        { type: "message_delta", delta: toStop(end), usage: toUsage(total) },
        { type: "message_stop" },
      ];
    },
    failed: anthropicFailure,
    whole: ([choice], total) => message(toContent(choice!), choice!.done, toUsage(total)),
  };
}

function toContent(choice: Choice): readonly object[] {
  const text = textOf(choice);
  const calls = joinToolCalls(choice.calls).map(({ id, name, arguments: json }) => ({
    type: "tool_use",
    id,
    name,
    input: parseJson(json === "" ? "{}" : json),
  }));
  return text === "" ? calls : [{ type: "text", text, citations: null }, ...calls];
}

function toStop(done: TurnDone | undefined): {
  stop_reason: string | null;
  stop_sequence: string | null;
} {
  if (done === undefined) return { stop_reason: null, stop_sequence: null };
  const { reason, stopSequence } = done;
  if (reason === "length") return { stop_reason: "max_tokens", stop_sequence: null };
  if (reason === "tool_calls") return { stop_reason: "tool_use", stop_sequence: null };
  if (stopSequence === undefined) return { stop_reason: "end_turn", stop_sequence: null };
  return { stop_reason: "stop_sequence", stop_sequence: stopSequence };
}

const NO_CACHE = { cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };

/** Anthropic counts what was found in a cache apart from the rest of the input. */
function toUsage({ usage }: Total): object {
  return {
    input_tokens: usage.promptTokens - usage.cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: usage.cachedTokens,
    output_tokens: usage.completionTokens,
  };
}
