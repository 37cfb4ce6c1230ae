import type { AnswerEvent } from "../answer/answer.ts";
import { compileFormat } from "../grammar/compile.ts";
import type { Grammar } from "../grammar/grammar.ts";
import type { TurnEvent } from "../tools/events.ts";
import type { Asked } from "./wire/asked.ts";

/** What an answer has to be, and how it is read. */
export interface AnswerPlan {
  /** Absent where any text will do. */
  readonly grammar?: Grammar;
  /** The answer with calls told from text. */
  read(
    events: AsyncGenerator<AnswerEvent, void, undefined>,
  ): AsyncGenerator<TurnEvent, void, undefined>;
}

/** Throws `UNSUPPORTED_PARAMETER` and `INVALID_REQUEST` for a format that cannot be enforced. */
export function planAnswer({ format }: Asked): AnswerPlan {
  return {
    ...(format === undefined ? {} : { grammar: compileFormat(format.format, format.param) }),
    read: (events) => events,
  };
}
