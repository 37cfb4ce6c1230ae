/** What a turn of a conversation is made of where the model may call tools: text, calls, the end. */
import type { AnswerDone, AnswerText } from "../answer/answer.ts";

/** A piece of a turn, or its end; `done` comes last and once. */
export type TurnEvent = AnswerText | ToolCallDelta | TurnDone;

/** A piece of a call. The first piece of each call, and no other, tells its id and name. */
export interface ToolCallDelta {
  /** Tells the events apart. */
  readonly type: "tool_call";
  /** Which call of the turn, from 0 on; the pieces of a call follow one another. */
  readonly index: number;
  /** What a `tool` message refers to. */
  readonly id?: string;
  /** The function that is to be called. */
  readonly name?: string;
  /** More of the arguments, which together are the JSON text of an object; may be empty. */
  readonly arguments: string;
}

/** Why a turn ended and what it took. */
export interface TurnDone extends Omit<AnswerDone, "reason"> {
  /** As of an answer; `tool_calls` where a turn with calls came to its end. */
  readonly reason: AnswerDone["reason"] | "tool_calls";
}

/** A call with all its pieces. */
export interface ToolCall {
  /** What a `tool` message refers to. */
  readonly id: string;
  /** The function that is to be called. */
  readonly name: string;
  /** JSON text of an object. */
  readonly arguments: string;
}

/** The pieces of calls put together, in order. */
export function joinToolCalls(deltas: readonly ToolCallDelta[]): readonly ToolCall[] {
  const calls: ToolCall[] = [];
  for (const { index, id = "", name = "", arguments: more } of deltas) {
    const call = calls[index];
    if (call === undefined) calls[index] = { id, name, arguments: more };
    else calls[index] = { ...call, arguments: call.arguments + more };
  }
  return calls;
}
