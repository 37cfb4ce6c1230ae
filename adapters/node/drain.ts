import type { Server, ServerResponse } from "node:http";
import { drainRequests } from "./drain-requests.ts";

/** Lets a server end without cutting anybody off. */
export interface Drain {
  /**
   * Wait for running requests, at most `graceMs`, then call `stop`, which ends what still runs, and
   * close the server and its connections. From the call on every answer closes its connection.
   */
  finish(graceMs: number, stop: () => Promise<void>): Promise<void>;
}

/** Watch a server's requests from now on. */
export function createDrain(server: Server): Drain {
  const running = new Set<ServerResponse>();
  let finishing = false;
  server.on("request", (_request, response) => {
    running.add(response);
    if (finishing) response.shouldKeepAlive = false;
    response.once("close", () => running.delete(response));
  });
  return {
    async finish(graceMs, stop) {
      finishing = true;
      await drainRequests(() => running.size, graceMs, stop);
      const stopped = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeAllConnections();
      await stopped;
    },
  };
}
