import { ERRORS, RuntimeError } from "../errors.ts";
import { aborted, late } from "./endings.ts";
import type { DoneEvent, GenerateEvent, GenerateRequest, MortalEngine } from "./engine.ts";
import type { Patience } from "./engine-waiters.ts";

/** Engines of which one is there most of the time. */
export interface EngineSource {
  /** The engine to ask now, where there is one. */
  readonly current: MortalEngine | undefined;
  /** Wait for one. */
  next(patience: Patience): Promise<MortalEngine>;
  /** A request is under way, until `leave`. */
  enter(): void;
  leave(): void;
  /** A request goes on with another engine. */
  moved(): void;
  /** Monotonic clock in milliseconds. */
  now(): number;
}

/**
 * So often a request is asked again of another engine. More would let a request that breaks engines break all that
 * there are.
 */
export const MOST_MOVES = 1;

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * The events of an answer, whichever engines compute it: where one breaks, the next goes on behind what has been
 * handed out. Nothing is handed out twice or left out, since what an engine had generated and nobody has taken yet
 * is generated again. Throws what {@linkcode MortalEngine.generate} throws, and where a second engine breaks what
 * that broke of.
 */
export function continueAnswer(
  request: GenerateRequest,
  source: EngineSource,
): AsyncIterator<GenerateEvent, undefined> {
  const arrived = source.now();
  const deadline = arrived + (request.deadlineMs ?? Infinity);
  const emitted = [...(request.emitted ?? [])];
  const leaving = new AbortController();
  let moves = 0;
  let firstAt: number | undefined;
  let lastAt = arrived;
  let ended = false;
  source.enter();
  let engine = source.current;
  /** Whether the times that an engine tells are not all. */
  let delayed = engine === undefined;
  let events = engine === undefined ? undefined : ask(engine, request);
  /** The pull before, while it is unanswered. */
  let pending: Promise<unknown> | undefined;

  async function pull(): Promise<IteratorResult<GenerateEvent, undefined>> {
    for (;;) {
      if (ended) return END;
      try {
        events ??= await askNext();
        const result = await events.next();
        // Whoever leaves while an answer is under way gets no more of it.
        if (ended || result.done === true) {
          end();
          return END;
        }
        return { done: false, value: note(result.value) };
      } catch (error) {
        if (ended) return END;
        const cause = causeOf(error, engine);
        if (cause !== undefined && moves < MOST_MOVES && request.signal?.aborted !== true) {
          moves++;
          delayed = true;
          events = undefined;
          // What broke can be forgotten, its memory before all.
          engine = undefined;
          source.moved();
          continue;
        }
        end();
        throw cause ?? error;
      }
    }
  }

  async function askNext(): Promise<AsyncIterator<GenerateEvent>> {
    const waited = moves > 0;
    const patience = { signal: leaving.signal, deadline, admitted: waited };
    const left = (): void => leaving.abort();
    request.signal?.addEventListener("abort", left);
    if (request.signal?.aborted === true) left();
    try {
      engine = await source.next(patience);
    } finally {
      request.signal?.removeEventListener("abort", left);
    }
    // Between the engine's coming and now the caller may have gone.
    if (ended) throw aborted();
    return ask(engine, goOn(waited));
  }

  /** What is left to do, and how long that may take. */
  function goOn(moved: boolean): GenerateRequest {
    const left = deadline - source.now();
    if (left <= 0) throw late();
    return {
      ...request,
      ...(request.deadlineMs === undefined ? {} : { deadlineMs: left }),
      ...(moved ? { emitted, admitted: true } : {}),
    };
  }

  function end(): void {
    if (!ended) source.leave();
    ended = true;
  }

  function note(event: GenerateEvent): GenerateEvent {
    if (event.type === "done") {
      end();
      return delayed ? withTimings(event) : event;
    }
    emitted.push(event.token);
    lastAt = source.now();
    firstAt ??= lastAt;
    return event;
  }

  /** As if one engine had done it all; what it lost by moving is part of what it was doing then. */
  function withTimings(event: DoneEvent): DoneEvent {
    const { timings } = event;
    const answered = firstAt ?? source.now();
    const prefillMs = Math.min(timings.prefillMs, answered - arrived);
    return {
      ...event,
      timings: {
        ...timings,
        queueMs: answered - arrived - prefillMs,
        prefillMs,
        decodeMs: lastAt - answered,
      },
    };
  }

  function next(): Promise<IteratorResult<GenerateEvent, undefined>> {
    const result = pending === undefined ? pull() : pending.then(pull, pull);
    pending = result;
    const clear = (): void => {
      if (pending === result) pending = undefined;
    };
    result.then(clear, clear);
    return result;
  }

  async function leave(): Promise<IteratorReturnResult<undefined>> {
    end();
    leaving.abort();
    await events?.return?.();
    return END;
  }

  return { next, return: leave };
}

function ask(engine: MortalEngine, request: GenerateRequest): AsyncIterator<GenerateEvent> {
  return engine.generate(request)[Symbol.asyncIterator]();
}

/**
 * What `engine` broke of, where that is why a request failed; a request that was at fault itself fails the same way
 * anywhere.
 */
export function causeOf(
  error: unknown,
  engine: MortalEngine | undefined,
): RuntimeError | undefined {
  const own =
    RuntimeError.is(error) &&
    (ERRORS[error.code].status < 500 || error.code === "DEADLINE_EXCEEDED");
  return own ? undefined : engine?.breakage?.error;
}
