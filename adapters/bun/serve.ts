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

const listen: Listen = (app, hostname, port) => {
  // Bun would close a stream that has been silent for 10 s, as during a long prompt.
  const server = Bun.serve({
    fetch: (request) => app.fetch(request),
    hostname,
    port,
    idleTimeout: 0,
  });
  return {
    url: server.url.origin,
    async finish(graceMs, stop) {
      await drainRequests(() => server.pendingRequests, graceMs, stop);
      await server.stop(true);
    },
  };
};
