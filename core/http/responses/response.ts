import type { AnswerText } from "../../answer/answer.ts";
import type { TokenChance } from "../../answer/token.ts";
import { joinToolCalls, type ToolCall, type TurnDone } from "../../tools/events.ts";
import { textOf, type Choice, type Format, type Head, type Total } from "../wire/format.ts";
import { NAMED_SSE } from "../wire/framing.ts";
import type { AskedResponse } from "./request.ts";

type Status = "in_progress" | "completed" | "incomplete";

/** The shapes of a `response` and of the events by which it is streamed. */
export function createResponseFormat(head: Head, asked: AskedResponse): Format {
  const wanted = asked.logprobs !== undefined;
  const toLogprobs = (texts: readonly AnswerText[]): object[] =>
    wanted
      ? texts.flatMap(({ tokens }) =>
          tokens.map((token) =>
            Object.assign(toChance(token), { top_logprobs: token.top.map(toChance) }),
          ),
        )
      : [];
  const bareId = head.id.replace(/^resp_/, "");
  const response = (
    status: Status,
    output: readonly object[],
    total: Total | undefined,
  ): object => ({
    id: head.id,
    object: "response",
    created_at: head.created,
    status,
    completed_at: status === "completed" ? head.created : null,
    background: false,
    error: null,
    incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
    model: head.model,
    output,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: false,
    truncation: "disabled",
    ...(total === undefined ? {} : { usage: toUsage(total) }),
    ...asked.echo,
  });
  const part = (texts: readonly AnswerText[]): object => ({
    type: "output_text",
    text: texts.map(({ text }) => text).join(""),
    annotations: [],
    logprobs: toLogprobs(texts),
  });
  const message = (status: Status, content: readonly object[]): object => ({
    id: `msg_${bareId}`,
    type: "message",
    status,
    role: "assistant",
    content,
  });
  const functionCall = (
    status: Status,
    index: number,
    { id, name, arguments: json }: ToolCall,
  ): object => ({
    id: `fc_${bareId}_${index}`,
    type: "function_call",
    status,
    call_id: id,
    name,
    arguments: json,
  });
  const outputOf = ({ texts, calls, done }: Choice): readonly object[] => {
    const status = statusOf(done);
    const called = joinToolCalls(calls).map((one, i) => functionCall("completed", i, one));
    if (textOf({ texts, calls, done }) === "" && called.length > 0) return called;
    return [message(status, [part(texts)]), ...called];
  };

  let sequence = 0;
  const event = (type: string, more: object): object => ({
    type,
    sequence_number: sequence++,
    ...more,
  });
  /** Items that are complete, and the one that is being written. */
  const items: object[] = [];
  const texts: AnswerText[] = [];
  let writing: "message" | "call" | undefined;
  let called: ToolCall | undefined;
  let calls = 0;
  let end: TurnDone | undefined;
  const at = (): object => ({
    item_id: writing === "call" ? `fc_${bareId}_${calls - 1}` : `msg_${bareId}`,
    output_index: items.length,
  });
  const inText = (): object => ({ ...at(), content_index: 0 });

  function complete(status: Status): object[] {
    if (writing === undefined) return [];
    const done: object[] = [];
    let item: object;
    if (writing === "message") {
      const written = part(texts);
      const text = texts.map((one) => one.text).join("");
      done.push(
        event("response.output_text.done", { ...inText(), text, logprobs: toLogprobs(texts) }),
      );
      done.push(event("response.content_part.done", { ...inText(), part: written }));
      item = message(status, [written]);
    } else {
      const { name, arguments: json } = called!;
      done.push(event("response.function_call_arguments.done", { ...at(), name, arguments: json }));
      item = functionCall("completed", calls - 1, called!);
    }
    done.push(event("response.output_item.done", { output_index: items.length, item }));
    items.push(item);
    writing = undefined;
    return done;
  }

  function beginMessage(): object[] {
    if (writing === "message") return [];
    const before = complete("completed");
    writing = "message";
    const item = message("in_progress", []);
    return [
      ...before,
      event("response.output_item.added", { output_index: items.length, item }),
      event("response.content_part.added", { ...inText(), part: part([]) }),
    ];
  }

  return {
    framing: NAMED_SSE,
    opening: () => [
      event("response.created", { response: response("in_progress", [], undefined) }),
      event("response.in_progress", { response: response("in_progress", [], undefined) }),
    ],
    text(piece) {
      const begun = beginMessage();
      texts.push(piece);
      const delta = { ...inText(), delta: piece.text, logprobs: toLogprobs([piece]) };
      return [...begun, event("response.output_text.delta", delta)];
    },
    toolCall({ id, name = "", arguments: more }) {
      const begun: object[] = [];
      if (id !== undefined || called === undefined) {
        begun.push(...complete("completed"));
        writing = "call";
        called = { id: id ?? "", name, arguments: "" };
        const item = functionCall("in_progress", calls++, called);
        begun.push(event("response.output_item.added", { output_index: items.length, item }));
      }
      called = { ...called, arguments: called.arguments + more };
      if (more === "") return begun;
      return [...begun, event("response.function_call_arguments.delta", { ...at(), delta: more })];
    },
    finish(done) {
      end = done;
      // An answer without any text is an empty message, not nothing.
      const begun = items.length === 0 && writing === undefined ? beginMessage() : [];
      return [...begun, ...complete(statusOf(done))];
    },
    closing(total) {
      const status = end === undefined ? "completed" : statusOf(end);
      return [event(`response.${status}`, { response: response(status, items, total) })];
    },
    failed({ body: { error } }) {
      const { code, message: why, param } = error;
      return event("error", { code, message: why, param });
    },
    whole: ([choice], total) => response(statusOf(choice!.done), outputOf(choice!), total),
  };
}

function statusOf({ reason }: TurnDone): "completed" | "incomplete" {
  return reason === "length" ? "incomplete" : "completed";
}

function toUsage({ usage }: Total): object {
  const { promptTokens, cachedTokens, completionTokens } = usage;
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens, cache_write_tokens: 0 },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: promptTokens + completionTokens,
  };
}

function toChance({ text, logprob, bytes }: TokenChance): object {
  return { token: text, logprob, bytes };
}
