import type { ChoiceEvent } from "../answer/several.ts";
import { RuntimeError } from "../errors.ts";
import { hash32 } from "./affinity.ts";
import { attempt } from "./attempt.ts";
import { TIMEOUT_HEADER, writeQuestion } from "./flight-question.ts";
import { FLIGHT_HEADER } from "./flights.ts";
import * as health from "./health.ts";
import { createLeases, type Leases } from "./leases.ts";
import { NodeFailure } from "./node-failure.ts";
import type { Pool, PoolEvent, Question } from "./pool.ts";
import { createFetchTransport, type Fetch, type Transport } from "./transport.ts";

/** Where equal questions of isolates meet. */
export interface MeetingPlaces {
  /** How many there are; each answers for a share of the keys. */
  readonly count: number;
  /** The place of this number: what reaches its `createFlights`. */
  at(index: number): Fetch;
}

/** What a pool needs to be asked once for many isolates. */
export interface CoalesceOptions {
  readonly places: MeetingPlaces;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
  /** Hears of questions that were joined, and of places where nobody answered. */
  readonly onEvent?: (event: PoolEvent) => void;
}

/** The path is of no meaning; a place is reached by its binding. */
const URL_OF_FLIGHTS = "https://flights/answer";

/**
 * A place says at once that it has a question; hundreds at one time take it a second or two. One that does not within
 * this time hangs, and is passed over.
 */
const BEGINS_MS = 2000;

/** From one that did so before less is expected: nobody waits long for what hangs. */
const BEGINS_AGAIN_MS = 500;

/** One that dies is there again as another at once, where the first who asks begins anew; then no more is asked. */
const MOST_ATTEMPTS = 2;

interface Place {
  readonly transport: Transport;
  readonly trials: Leases;
  state: health.NodeHealth;
}

/**
 * A pool that is asked once where many isolates ask the same at one time. A place that is lost, late or silent costs
 * nothing but that: the pool is then asked directly, and goes on behind the events that were sent. Only one source
 * is read at a time, and its events are compared with those that were sent, so that what remains of a lost place
 * reaches nobody.
 */
export function coalescePool(pool: Pool, { places, now, onEvent }: CoalesceOptions): Pool {
  const known = new Map<number, Place>();

  function placeOf(identity: string): Place {
    const index = hash32(identity) % places.count;
    const found = known.get(index);
    if (found !== undefined) return found;
    const send: Fetch = async (url, init) => {
      const response = await places.at(index)(url, init);
      if (response.headers.get(FLIGHT_HEADER) === "joined") onEvent?.("joined");
      place.state = health.afterAnswer(place.state, now());
      return response;
    };
    const place: Place = {
      transport: createFetchTransport(send),
      trials: createLeases(now, 2 * BEGINS_MS),
      state: health.HEALTHY,
    };
    known.set(index, place);
    return place;
  }

  /** Ask where equal questions meet. Throws {@linkcode NodeFailure} where the answer is to be had elsewhere. */
  async function* together(
    question: Question,
    identity: string,
    signal: AbortSignal,
  ): AsyncGenerator<ChoiceEvent, void, undefined> {
    const place = placeOf(identity);
    const standing = health.standing(place.state, now());
    if (standing === "out" || (standing === "trial" && place.trials.count > 0)) throw passedOver();
    const endTrial = standing === "trial" ? place.trials.take() : undefined;
    const time = createTime(question.headers(), signal);
    const patienceMs = place.state.losses === 0 ? BEGINS_MS : BEGINS_AGAIN_MS;
    let began = false;
    let late = false;
    try {
      const begun = await attempt(
        beginning(place.transport, patienceMs, () => (late = true)),
        {
          node: "flights",
          url: URL_OF_FLIGHTS,
          headers: {},
          body: writeQuestion(question, identity, question.headers()),
          fingerprint: question.fingerprint,
          signal: time.signal,
        },
      );
      began = true;
      question.transcript.rewind();
      question.onBegun(begun.by, begun.head);
      for await (const { choice, event } of begun.events) {
        const item = { choice, event };
        if (question.transcript.isNew(item)) yield item;
      }
    } catch (error) {
      if (time.over)
        throw new RuntimeError("DEADLINE_EXCEEDED", "The time of this request is over");
      if (signal.aborted || !(error instanceof NodeFailure)) throw error;
      if (error.kind === "lost") {
        // One that dies in the middle is lost to all its readers at once, and may be there again.
        if (!began) place.state = health.afterLoss(place.state, now());
        onEvent?.("flight_lost");
        // Another may be there already in the place of one that broke; one that hangs stays.
        if (late) throw passedOver();
      }
      // What the pool told there it would tell here; unless no node is known there.
      if ((error.kind === "busy" || error.kind === "error") && error.told.code !== "NOT_READY")
        throw error.told;
      throw error;
    } finally {
      endTrial?.();
      time.end();
    }
  }

  return {
    ...pool,
    async *answer(question, signal) {
      const { identity, transcript } = question;
      // Who has begun elsewhere goes on where its tokens are known; what is up to chance is nobody else's.
      if (identity === undefined || transcript.size > 0) {
        yield* pool.answer(question, signal);
        return;
      }
      for (let number = 1; number <= MOST_ATTEMPTS; number++) {
        try {
          yield* together(question, identity, signal);
          return;
        } catch (error) {
          if (signal.aborted || !(error instanceof NodeFailure)) throw error;
          if (error.kind !== "lost") break;
        }
      }
      transcript.rewind();
      yield* pool.answer(question, signal);
    },
  };
}

/** The same, for those who begin to answer in time. */
function beginning(transport: Transport, patienceMs: number, onLate: () => void): Transport {
  return {
    ...transport,
    async send(url, request) {
      const controller = new AbortController();
      const abort = (): void => controller.abort();
      request.signal.addEventListener("abort", abort, { once: true });
      if (request.signal.aborted) abort();
      let timer: ReturnType<typeof setTimeout> | undefined;
      // Not left to the abort: a binding may not hear it.
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          onLate();
          abort();
          reject(new Error(`Nobody answered within ${patienceMs} ms`));
        }, patienceMs);
      });
      try {
        return await Promise.race([
          transport.send(url, { ...request, signal: controller.signal }),
          late,
        ]);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** A request's own time, which the shared computation does not know. */
function createTime(
  headers: Readonly<Record<string, string>>,
  outer: AbortSignal,
): { readonly signal: AbortSignal; readonly over: boolean; end(): void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  outer.addEventListener("abort", abort, { once: true });
  if (outer.aborted) abort();
  const left = headers[TIMEOUT_HEADER];
  let over = false;
  const stop = (): void => {
    over = true;
    abort();
  };
  const timer = left === undefined ? undefined : setTimeout(stop, Number(left));
  return {
    signal: controller.signal,
    get over() {
      return over;
    },
    end() {
      clearTimeout(timer);
      outer.removeEventListener("abort", abort);
    },
  };
}

function passedOver(): NodeFailure {
  const told = new RuntimeError(
    "NOT_READY",
    "Where equal requests meet nobody has answered lately",
  );
  return new NodeFailure("other", "", told);
}
