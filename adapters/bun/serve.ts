import { drainRequests } from "../node/drain-requests.ts";
import {
  serveModel,
  type Listen,
  type RunningServer,
  type ServeOptions,
} from "../node/serve-model.ts";

/** Serve a model with `Bun.serve`; otherwise as on Node. */
export function serve(options: ServeOptions): Promise<RunningServer> {
  return serveModel(listen, options);
}

const listen: Listen = (fetch, hostname, port) => {
  // Bun would close a stream that has been silent for 10 s, as during a long prompt.
  const server = Bun.serve({ fetch, hostname, port, idleTimeout: 0 });
  return {
    url: server.url.origin,
    async finish(graceMs, stop) {
      await drainRequests(() => server.pendingRequests, graceMs, stop);
      await server.stop(true);
    },
  };
};
