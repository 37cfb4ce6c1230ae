import type { AnswerEvent } from "../answer/answer.ts";
import { compileFormat, keptGrammar } from "../grammar/compile.ts";
import type { Grammar } from "../grammar/grammar.ts";
import type { TurnEvent } from "../tools/events.ts";
import { turnExpression } from "../tools/expression.ts";
import { toolFormOf } from "../tools/forms.ts";
import { readTurn } from "../tools/read.ts";
import type { ToolUse } from "../tools/tools.ts";
import type { ServedModel } from "./deps.ts";
import type { Asked } from "./wire/asked.ts";

/** What an answer has to be, and how it is read. */
export interface AnswerPlan {
  /** Absent where any text will do. */
  readonly grammar?: Grammar;
  /** Control tokens that are to be seen in the answer's text. */
  readonly spelled?: ReadonlyMap<number, string>;
  /** The answer with calls told from text. */
  read(
    events: AsyncGenerator<AnswerEvent, void, undefined>,
  ): AsyncGenerator<TurnEvent, void, undefined>;
}

/** Throws `UNSUPPORTED_PARAMETER` and `INVALID_REQUEST` for a format, or parameters of a tool, that cannot be enforced. */
export function planAnswer(model: ServedModel, { format, tools }: Asked): AnswerPlan {
  if (tools !== undefined) return planCalls(model, tools);
  return {
    ...(format === undefined ? {} : { grammar: compileFormat(format.format, format.param) }),
    read: (events) => events,
  };
}

function planCalls({ template, tokenizer }: ServedModel, tools: ToolUse): AnswerPlan {
  const form = toolFormOf(template?.toolForm ?? "plain", tokenizer);
  // Control tokens are numbers of a vocabulary, so that they are part of what tells grammars apart.
  const key = JSON.stringify(["tools", form, tools]);
  return {
    grammar: keptGrammar(key, () => turnExpression(form, tools), "tools"),
    spelled: form.spelled,
    read: (events) => readTurn(events, form),
  };
}
