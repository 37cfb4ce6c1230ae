import type { ChoiceEvent } from "../answer/several.ts";
import type { CachedAnswer } from "../cache/entry.ts";
import { answerTo } from "./answering.ts";
import type { AppDeps, ServedModel } from "./deps.ts";
import type { Route } from "./pipeline.ts";
import type { Asked } from "./wire/asked.ts";

/** Compute the answer to a request of one prompt and one choice again, for nobody in particular. */
export async function recompute<A extends Asked>(
  route: Pick<Route<A>, "prompts">,
  model: ServedModel,
  asked: A,
  deps: AppDeps,
): Promise<readonly ChoiceEvent[]> {
  const [prompt] = route.prompts(model, asked, new Date(deps.wallClock()));
  const events: ChoiceEvent[] = [];
  if (prompt === undefined) return events;
  const room = model.contextLength - prompt.tokens.length;
  const job = {
    ...prompt,
    maxTokens: Math.min(asked.maxTokens ?? room, room),
    candidate: 0,
    signal: new AbortController().signal,
    onToken: () => {},
  };
  for await (const event of answerTo(model, asked, job, deps)) events.push({ choice: 0, event });
  return events;
}

/** Whether two computations of an answer came to the same: text, tokens and end; not how long they took. */
export function sameAnswer(kept: CachedAnswer, anew: readonly ChoiceEvent[]): boolean {
  return essence(kept.events) === essence(anew);
}

function essence(events: readonly ChoiceEvent[]): string {
  return JSON.stringify(
    events.map(({ event }) =>
      event.type === "done"
        ? [event.reason, event.stopSequence, event.usage.promptTokens, event.usage.completionTokens]
        : event,
    ),
  );
}
