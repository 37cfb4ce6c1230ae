import type { AnswerText } from "../answer/answer.ts";
import type { ChoiceEvent } from "../answer/several.ts";
import { RuntimeError } from "../errors.ts";
import type { ToolCallDelta, TurnDone } from "../tools/events.ts";
import type { Choice, Format } from "./wire/format.ts";

/** Events of answers, sorted by answer as they come. */
export interface Gathering {
  add(event: ChoiceEvent): void;
  /** The answers. Throws `INTERNAL` where none of them has ended. */
  choices(): readonly Choice[];
}

/** Gather the events of one request. */
export function createGathering(): Gathering {
  const texts: AnswerText[][] = [];
  const calls: ToolCallDelta[][] = [];
  const dones: TurnDone[] = [];
  return {
    add({ choice, event }) {
      if (event.type === "text") (texts[choice] ??= []).push(event);
      else if (event.type === "tool_call") (calls[choice] ??= []).push(event);
      else dones[choice] = event;
    },
    choices() {
      if (dones.length === 0)
        throw new RuntimeError("INTERNAL", "The answer ended without a reason");
      return dones.map((done, choice) => ({
        texts: texts[choice] ?? [],
        calls: calls[choice] ?? [],
        done,
      }));
    },
  };
}

/** The chunks of a stream that tell an event. */
export function chunksOf(format: Format, { choice, event }: ChoiceEvent): readonly object[] {
  if (event.type === "text") return format.text(event, choice);
  if (event.type === "tool_call") return format.toolCall(event, choice);
  return format.finish(event, choice);
}
