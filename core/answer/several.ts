import type { TurnEvent } from "../tools/events.ts";

/** An event of one of several answers. */
export interface ChoiceEvent {
  /** Which answer, from 0 on. */
  readonly choice: number;
  /** What came of it. */
  readonly event: TurnEvent;
}

/**
 * Several answers as one stream of events, each as it comes. Of every answer at most one event is held
 * here, so a slow reader slows them all. Where one fails or the reader leaves, the others end, too: each is
 * made with a signal that then aborts. Throws what the first failing answer throws.
 *
 * @param signal Ends all of them.
 */
export async function* several(
  makers: readonly ((signal: AbortSignal) => AsyncGenerator<TurnEvent, void, undefined>)[],
  signal: AbortSignal,
): AsyncGenerator<ChoiceEvent, void, undefined> {
  const group = new AbortController();
  const end = (): void => group.abort();
  if (signal.aborted) end();
  signal.addEventListener("abort", end, { once: true });
  const answers = makers.map((make) => make(group.signal));
  const pending = new Map<number, Promise<Next>>();
  const ask = (choice: number): void => {
    const next = answers[choice]!.next().then((result) => ({ choice, result }));
    // It is awaited below; where another answer fails before that, nobody is left to hear of its failure.
    next.catch(() => {});
    pending.set(choice, next);
  };
  try {
    for (const choice of answers.keys()) ask(choice);
    while (pending.size > 0) {
      const { choice, result } = await Promise.race(pending.values());
      if (result.done === true) {
        pending.delete(choice);
        continue;
      }
      // A finished answer frees its slot at once, and the next is asked for when this one has been taken.
      yield { choice, event: result.value };
      ask(choice);
    }
  } finally {
    signal.removeEventListener("abort", end);
    end();
    for (const answer of answers) answer.return().catch(() => {});
  }
}

interface Next {
  readonly choice: number;
  readonly result: IteratorResult<TurnEvent, void>;
}
