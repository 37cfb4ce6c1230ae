import { RuntimeError } from "../errors.ts";
import type { GenerateEvent } from "./engine.ts";
import { type Stream, createStream } from "./stream.ts";

/**
 * Bytes of an answer that may wait for its reader. An engine does not wait for readers, as that would keep
 * a slot; whoever reads so slowly that more piles up is cut off. Plain tokens of a whole context of 4096
 * fit, so it is answers with many alternatives that come near.
 */
export const MAX_BACKLOG_BYTES: number = 256 * 1024;

/** What an event takes in memory, about: an object of a few fields, and one for each alternative. */
const EVENT_BYTES = 64;
const ALTERNATIVE_BYTES = 48;

/** The stream of an answer; `ABORTED` for a reader that is too slow. */
export function createTokenStream(closed: () => void): Stream<GenerateEvent> {
  return createStream(closed, { weigh, most: MAX_BACKLOG_BYTES, overflow: tooSlow });
}

function weigh(event: GenerateEvent): number {
  const alternatives = event.type === "token" ? (event.top?.length ?? 0) : 0;
  return EVENT_BYTES + ALTERNATIVE_BYTES * alternatives;
}

function tooSlow(): RuntimeError {
  return new RuntimeError(
    "ABORTED",
    `The answer was read too slowly: more than ${MAX_BACKLOG_BYTES / 1024} KiB of it waited`,
  );
}
