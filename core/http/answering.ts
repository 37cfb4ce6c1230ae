import { answer } from "../answer/answer.ts";
import type { TurnEvent } from "../tools/events.ts";
import { planAnswer } from "./answer-plan.ts";
import type { AppDeps, ServedModel } from "./deps.ts";
import { errorCode } from "./failure.ts";
import type { Prompt } from "./pipeline.ts";
import type { AnswerMeter } from "./server-metrics.ts";
import type { Urgency } from "./urgency.ts";
import type { Asked } from "./wire/asked.ts";

/** One answer to one prompt. */
export interface AnswerJob extends Prompt, Partial<Urgency> {
  readonly maxTokens: number;
  /** Its number among the answers to this prompt. */
  readonly candidate: number;
  readonly signal: AbortSignal;
  readonly onToken: () => void;
  /** What a server that was lost had generated of it. */
  readonly emitted?: readonly number[];
  /** Whether it was let in there. */
  readonly admitted?: boolean;
}

/** An answer behind the text that it has to open with. */
export async function* answerTo(
  model: ServedModel,
  asked: Asked,
  { tokens, opening = "", maxTokens, candidate, signal, onToken, ...urgency }: AnswerJob,
  deps: AppDeps,
): AsyncGenerator<TurnEvent, void, undefined> {
  if (opening !== "") yield { type: "text", text: opening, tokens: [] };
  // The likeliest candidates are told by what the model thought of their tokens.
  const ranked = asked.candidates > asked.choices ? 0 : undefined;
  const logprobs = asked.logprobs ?? ranked;
  const { sampling } = asked;
  const plan = planAnswer(model, asked);
  const events = answer(
    model.engine,
    model.tokenizer,
    {
      prompt: tokens,
      maxTokens,
      // The first answer is the one that would be given alone, the others differ.
      sampling: { ...sampling, seed: (sampling.seed + candidate) % 2 ** 32 },
      stop: asked.stop,
      ...(logprobs === undefined ? {} : { logprobs }),
      ...(plan.grammar === undefined ? {} : { grammar: plan.grammar }),
      ...(plan.spelled === undefined ? {} : { spelled: plan.spelled }),
      ...urgency,
      signal,
      onToken,
    },
    () => deps.now(),
  );
  yield* plan.read(events);
}

/** Tell the meter how an answer ends; what is neither complete nor left has failed and is counted as an error. */
export async function* metered(
  events: AsyncGenerator<TurnEvent, void, undefined>,
  meter: AnswerMeter,
): AsyncGenerator<TurnEvent, void, undefined> {
  let left = true;
  try {
    for await (const event of events) {
      if (event.type === "done") {
        left = false;
        meter.done(event);
      }
      yield event;
    }
  } catch (error) {
    left = errorCode(error) === "ABORTED";
    throw error;
  } finally {
    if (left) meter.aborted();
  }
}
