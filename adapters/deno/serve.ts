import {
  serveEdge as serveFromPool,
  serveModel,
  type Listen,
  type ListeningServer,
  type RunningServer,
  type ServeOptions,
  type ServerOptions,
} from "../node/serve-model.ts";
import { drainRequests } from "../node/drain-requests.ts";

/** Serve a model with `Deno.serve`; otherwise as on Node. */
export function serve(options: ServeOptions): Promise<RunningServer> {
  return serveModel(listen, options);
}

/** Serve the models of a pool with `Deno.serve`; otherwise as on Node. */
export function serveEdge(options: ServerOptions): Promise<ListeningServer> {
  return serveFromPool(listen, options);
}

const listen: Listen = (app, hostname, port) => {
  let running = 0;
  const ended = (): void => void running--;
  const stopping = new AbortController();
  const { addr, finished } = Deno.serve(
    { hostname, port, onListen: quiet, signal: stopping.signal },
    (request, { completed }) => {
      running++;
      // It rejects where the client has left; that is an end as well.
      void completed.then(ended, ended);
      return app.fetch(request);
    },
  );
  const host = addr.hostname.includes(":") ? `[${addr.hostname}]` : addr.hostname;
  return {
    url: `http://${host}:${addr.port}`,
    async finish(graceMs, stop) {
      await drainRequests(() => running, graceMs, stop);
      stopping.abort();
      await finished;
    },
  };
};

/** Deno would print the address. */
function quiet(): void {}
