import { shareAnswer, type SharedAnswer } from "../cache/shared-answer.ts";
import { RuntimeError } from "../errors.ts";
import { toFailure } from "../http/failure.ts";
import { streamBody } from "../http/sse.ts";
import type { Head } from "../http/wire/format.ts";
import { readQuestion, type FlightQuestion } from "./flight-question.ts";
import type { Pool } from "./pool.ts";
import { RELAYED_TYPE, type RelayedLine } from "./relayed-events.ts";
import { createTranscript } from "./transcript.ts";

/**
 * Where equal questions of many isolates meet. The first of them begins a flight: the pool is asked on nobody's
 * behalf in particular, and all read the answer's events from the first one on, past ones at once. So no reader
 * leads, and whoever leaves, it goes on while one is left.
 */
export interface Flights {
  /** Answers a question of `coalescePool` with events, a line each. Never rejects. */
  fetch(request: Request): Promise<Response>;
  /** Answers under way. */
  readonly count: number;
}

/** `joined` where the answer was under way or just over, `led` where this question began it. */
export const FLIGHT_HEADER = "x-sirocco-flight";

/**
 * So long after its end an answer is still read: by those who looked into a store before it was there, or whose store
 * is behind. Whoever wishes anything of caches gets none of that.
 */
const LINGER_MS = 5000;

/** An answer's events are kept until then, some hundred kilobytes at most; beyond so many others go their own way. */
const MOST_FLIGHTS = 256;

/** Characters of questions that are held with them: an object has 128 MB, which others of its class may share. */
const MOST_CHARS = 4 * 1024 * 1024;

/** White space in silence: three times as often as whoever waits gives up, and soon enough to see that a reader left. */
const LIMITS = { keepAliveMs: 500, stallMs: 60_000 };

/** An answer, and until when it is read; Infinity while it is under way. */
interface Flight {
  readonly shared: SharedAnswer<string>;
  /** Of its question. */
  readonly chars: number;
  until: number;
}

/** Nothing is under way. `pool`: who answers; `now`: monotonic clock in milliseconds. */
export function createFlights(pool: Pool, now: () => number): Flights {
  const flights = new Map<string, Flight>();

  function find(key: string): SharedAnswer<string> | undefined {
    const found = flights.get(key);
    return found !== undefined && now() < found.until ? found.shared : undefined;
  }

  /** Make room for one more: what is over goes first. Throws `NOT_READY` where too much is under way. */
  function makeRoom(chars: number): void {
    for (const [key, { until }] of flights) if (now() >= until) flights.delete(key);
    const over = [...flights].filter(([, { until }]) => until < Infinity);
    let held = [...flights.values()].reduce((sum, flight) => sum + flight.chars, chars);
    while (flights.size >= MOST_FLIGHTS || held > MOST_CHARS) {
      const [key, flight] = over.shift() ?? [];
      if (key === undefined || flight === undefined)
        throw new RuntimeError("NOT_READY", `${flights.size} answers are under way here`);
      flights.delete(key);
      held -= flight.chars;
    }
  }

  function begin(question: FlightQuestion): SharedAnswer<string> {
    const chars = question.body.length + question.affinity.length;
    makeRoom(chars);
    const { key } = question;
    const lingers = question.headers["cache-control"] === undefined;
    const shared = shareAnswer<string>({
      start: (signal) => linesOf(pool, question, signal),
      // The pool has tried what there was to try.
      retry: () => false,
      settled(lines) {
        if (lines === undefined || !lingers) flights.delete(key);
        else flight.until = now() + LINGER_MS;
      },
    });
    const flight: Flight = { shared, chars, until: Infinity };
    flights.set(key, flight);
    return shared;
  }

  return {
    async fetch(request) {
      try {
        const question = readQuestion(await request.text());
        const under = find(question.key);
        const leaving = new AbortController();
        const leave = (): void => leaving.abort();
        request.signal.addEventListener("abort", leave, { once: true });
        if (request.signal.aborted) leave();
        const lines = (under ?? begin(question)).read(leaving.signal);
        const release = (): void => {
          request.signal.removeEventListener("abort", leave);
          leave();
        };
        return new Response(streamBody(ended(lines), LIMITS, release, "\n"), {
          headers: {
            "content-type": RELAYED_TYPE,
            [FLIGHT_HEADER]: under === undefined ? "led" : "joined",
          },
        });
      } catch (error) {
        const { status, body, headers } = toFailure(error);
        return Response.json(body, { status, headers });
      }
    },
    get count() {
      return [...flights.values()].filter(({ until }) => until === Infinity).length;
    },
  };
}

const toLine = (line: RelayedLine): string => `${JSON.stringify(line)}\n`;

/** The pool's answer as lines: its head and by whom, then its events. */
async function* linesOf(
  pool: Pool,
  { key, headers, ...question }: FlightQuestion,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  let opening: { readonly head: Head; readonly by: string } | undefined;
  const events = pool.answer(
    {
      ...question,
      headers: () => headers,
      identity: key,
      signal,
      transcript: createTranscript(),
      onBegun: (by, head) => (opening ??= { head, by }),
    },
    signal,
  );
  let opened = false;
  for await (const event of events) {
    if (!opened && opening !== undefined) yield toLine(opening);
    opened = true;
    yield toLine(event);
  }
}

/** The same lines, and how it ended. */
async function* ended(
  lines: AsyncGenerator<string, void, undefined>,
): AsyncGenerator<string, void, undefined> {
  try {
    yield* lines;
    yield toLine({ end: true });
  } catch (error) {
    const { status, body } = toFailure(error);
    yield toLine({ failed: { status, ...body.error } });
  }
}
