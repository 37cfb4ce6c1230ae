import type { Server, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** Lets a server end without cutting anybody off. */
export interface Drain {
  /**
   * Wait for running requests, at most `graceMs`, then call `stop`, which ends what still runs, and
   * close the server and its connections. From the call on every answer closes its connection.
   */
  finish(graceMs: number, stop: () => Promise<void>): Promise<void>;
}

/** How often to look whether the last request has ended. */
const POLL_MS = 20;
/** What `stop` ended still has to reach its clients: an error event is a few bytes. */
const LAST_WORDS_MS = 1000;

/** Watch a server's requests from now on. */
export function createDrain(server: Server): Drain {
  const running = new Set<ServerResponse>();
  let finishing = false;
  server.on("request", (_request, response) => {
    running.add(response);
    if (finishing) response.shouldKeepAlive = false;
    response.once("close", () => running.delete(response));
  });
  const idleWithin = async (milliseconds: number): Promise<void> => {
    const end = performance.now() + milliseconds;
    while (running.size > 0 && performance.now() < end) await sleep(POLL_MS);
  };
  return {
    async finish(graceMs, stop) {
      finishing = true;
      await idleWithin(graceMs);
      await stop();
      await idleWithin(LAST_WORDS_MS);
      const stopped = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeAllConnections();
      await stopped;
    },
  };
}
