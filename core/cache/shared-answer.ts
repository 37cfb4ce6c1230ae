import { late } from "../engine/endings.ts";
import { RuntimeError } from "../errors.ts";

/** One computation that many requests read. */
export interface SharedAnswer<E> {
  /**
   * The answer's events from its first one on: past ones at once, then as they come. It counts as a reader
   * from this call on, until it has read to the end, `return` is called, the signal is aborted or its time is over;
   * with the last reader the computation ends. Throws `ABORTED`, `DEADLINE_EXCEEDED`, and what computing throws.
   *
   * @param deadlineMs Milliseconds from now on that this reader waits for events yet to be computed; absent: any time.
   */
  read(signal: AbortSignal, deadlineMs?: number): AsyncGenerator<E, void, undefined>;
  /** Readers at this moment. */
  readonly readers: number;
}

/** How to compute what is shared. */
export interface SharedAnswerOptions<E> {
  /** Begin to compute; called again where an attempt failed and `retry` says so. */
  start(signal: AbortSignal): AsyncGenerator<E, void, undefined>;
  /** Whether another attempt could do better than this failed one. Attempts are counted from 1. */
  retry(error: unknown, attempt: number): boolean;
  /** Called once when it is over: with all events, or with `undefined` where it failed or was left. */
  settled(events: readonly E[] | undefined): void;
}

/**
 * Share one computation. It is pulled by its fastest reader, so that it computes as fast as somebody
 * reads and a slow reader slows nobody; what the others have yet to read is kept, at most one answer. The
 * first reader has no privilege: whoever leaves, it goes on while one is left, and what is computed has no deadline
 * but those of its readers. Where an attempt fails, the next one computes the same events again, since only deterministic answers are shared, and those that
 * were already read are passed over.
 */
export function shareAnswer<E>(options: SharedAnswerOptions<E>): SharedAnswer<E> {
  const log: E[] = [];
  const controller = new AbortController();
  let source: AsyncGenerator<E, void, undefined> | undefined;
  let attempt = 0;
  let readers = 0;
  let state: "open" | "complete" | "over" = "open";
  let failure: { readonly error: unknown } | undefined;
  let pulling: Promise<void> | undefined;

  function isOpen(): boolean {
    return state === "open";
  }

  function settle(as: "complete" | "over"): void {
    if (state !== "open") return;
    state = as;
    options.settled(as === "complete" ? log : undefined);
  }

  async function begin(): Promise<AsyncGenerator<E, void, undefined>> {
    attempt++;
    const events = options.start(controller.signal);
    for (let i = 0; i < log.length; i++) await events.next();
    return events;
  }

  /** One more event into the log, or the end. */
  async function pull(): Promise<void> {
    for (;;) {
      try {
        source ??= await begin();
        const next = await source.next();
        if (next.done === true) settle("complete");
        else log.push(next.value);
        return;
      } catch (error) {
        source = undefined;
        if (state !== "open") return;
        if (!controller.signal.aborted && options.retry(error, attempt)) continue;
        failure = { error };
        settle("over");
        return;
      }
    }
  }

  function leave(): void {
    readers--;
    if (readers > 0 || state !== "open") return;
    settle("over");
    controller.abort();
    source?.return().catch(() => {});
  }

  function read(signal: AbortSignal, deadlineMs?: number): AsyncGenerator<E, void, undefined> {
    readers++;
    let at = 0;
    let here = true;
    let timeIsOver = false;
    let wake = nothing;
    const left = new Promise<void>((resolve) => (wake = resolve));
    const go = (): void => {
      if (!here) return;
      here = false;
      signal.removeEventListener("abort", go);
      clearTimeout(timer);
      wake();
      leave();
    };
    const timer =
      deadlineMs === undefined
        ? undefined
        : setTimeout(() => {
            // To read what is there already takes nobody's time.
            if (!isOpen()) return;
            timeIsOver = true;
            go();
          }, deadlineMs);
    if (signal.aborted) go();
    else signal.addEventListener("abort", go, { once: true });

    function isLate(): boolean {
      return timeIsOver;
    }

    /** The event at `at`, once it is there; `undefined` at the end. */
    async function take(): Promise<E | undefined> {
      while (at >= log.length && isOpen() && !signal.aborted && !isLate()) {
        pulling ??= pull().finally(() => (pulling = undefined));
        await Promise.race([pulling, left]);
      }
      if (signal.aborted) throw new RuntimeError("ABORTED", "The client left");
      if (timeIsOver) throw late();
      if (at < log.length) return log[at++]!;
      if (failure !== undefined) throw failure.error;
      return undefined;
    }

    // No generator function: one that nobody has begun to read would never hear of being left.
    return {
      async next() {
        if (!here && !signal.aborted && !timeIsOver) return { done: true, value: undefined };
        try {
          const value = await take();
          if (value !== undefined) return { done: false, value };
        } catch (error) {
          go();
          throw error;
        }
        go();
        return { done: true, value: undefined };
      },
      async return() {
        go();
        return { done: true, value: undefined };
      },
      async throw(error) {
        go();
        throw error;
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  return {
    read,
    get readers() {
      return readers;
    },
  };
}

function nothing(): void {}
