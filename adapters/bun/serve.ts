import { drainRequests } from "../node/drain-requests.ts";
import {
  serveEdge as serveFromPool,
  serveModel,
  type Listen,
  type ListeningServer,
  type RunningServer,
  type ServeOptions,
  type ServerOptions,
} from "../node/serve-model.ts";

/** Serve a model with `Bun.serve`; otherwise as on Node. */
export function serve(options: ServeOptions): Promise<RunningServer> {
  return serveModel(listen, options);
}

/** Serve the models of a pool with `Bun.serve`; otherwise as on Node. */
export function serveEdge(options: ServerOptions): Promise<ListeningServer> {
  return serveFromPool(listen, options);
}

/** As on Node: longer than the 60 s of common load balancers. A stream is never silent for as long. */
const KEEP_ALIVE_SECONDS = 65;

const listen: Listen = (app, hostname, port) => {
  const server = Bun.serve({
    hostname,
    port,
    // Bun would close a connection that has been silent for 10 s, as during a long prompt.
    idleTimeout: 0,
    async fetch(request, own) {
      own.timeout(request, 0);
      const response = await app.fetch(request);
      // From here on it is written to, or it is done; and then it must not stay for ever.
      own.timeout(request, KEEP_ALIVE_SECONDS);
      return response;
    },
  });
  return {
    url: server.url.origin,
    async finish(graceMs, stop) {
      await drainRequests(() => server.pendingRequests, graceMs, stop);
      await server.stop(true);
    },
  };
};
