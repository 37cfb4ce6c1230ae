import type { IncomingMessage, ServerResponse } from "node:http";
import type { Arrival } from "../../core/http/arrival.ts";
import { MOST_LANE_BYTES, type HitLane, type OpenedLane } from "../../core/http/hit-lane.ts";

/** A request whose body is still read by the turn of the event loop that brought its head. */
interface Waiting {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly opened: OpenedLane;
  readonly length: number;
}

/** What `node:http` calls with each request; it looks at nothing that comes back. */
export type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => unknown;

/**
 * Answers from memory what can be, at the end of the turn of the event loop in which a request arrived, from
 * Node's own objects: a `Request`, a promise of its body and a `Response` take longer than such an answer.
 * `next` gets the rest, and the body where it has been read, as `rawBody`.
 */
export function answerAtHand(lane: HitLane, next: Listener): Listener {
  let waiting: Waiting[] = [];
  function look(): void {
    const all = waiting;
    waiting = [];
    for (const one of all) if (!give(one)) void next(one.incoming, one.outgoing);
  }
  return (incoming, outgoing) => {
    const length = Number(incoming.headers["content-length"]);
    const opened = length <= MOST_LANE_BYTES ? lane.open(arrivalOf(incoming)) : undefined;
    if (opened === undefined) {
      void next(incoming, outgoing);
      return;
    }
    if (waiting.length === 0) setImmediate(look);
    waiting.push({ incoming, outgoing, opened, length });
  };
}

function give({ incoming, outgoing, opened, length }: Waiting): boolean {
  // Only a body that is there as a whole; any other is waited for, and bounded in time, elsewhere.
  if (length === 0 || incoming.readableLength !== length) return false;
  const body: Buffer = incoming.read();
  const reply = opened.answer(body);
  if (reply === undefined) {
    // Where `@hono/node-server` looks for what somebody else has read.
    Object.assign(incoming, { rawBody: body });
    return false;
  }
  outgoing.writeHead(200, reply.headers);
  outgoing.end(reply.body);
  return true;
}

function arrivalOf({ method = "", url = "", headers }: IncomingMessage): Arrival {
  return {
    method,
    // A proxy's absolute form is none of the paths that are looked for.
    url: `http://localhost${url}`,
    headers: {
      get(name) {
        const value = headers[name.toLowerCase()];
        return value === undefined ? null : String(value);
      },
      has: (name) => headers[name.toLowerCase()] !== undefined,
    },
  };
}
