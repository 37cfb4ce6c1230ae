import {
  serveModel,
  type Listen,
  type RunningServer,
  type ServeOptions,
} from "../node/serve-model.ts";
import { drainRequests } from "../node/drain-requests.ts";
import { listenFailure } from "../node/listen.ts";

/** Serve a model with `Deno.serve`; otherwise as on Node. */
export function serve(options: ServeOptions): Promise<RunningServer> {
  return serveModel(listen, options);
}

// eslint-disable-next-line typescript/require-await -- what `Deno.serve` throws becomes a rejection
const listen: Listen = async (fetch, hostname, port) => {
  let running = 0;
  const ended = (): void => void running--;
  const stopping = new AbortController();
  try {
    const server = Deno.serve(
      { hostname, port, onListen: quiet, signal: stopping.signal },
      (request, { completed }) => {
        running++;
        // It rejects where the client has left; that is an end as well.
        void completed.then(ended, ended);
        return fetch(request);
      },
    );
    const { addr } = server;
    const host = addr.hostname.includes(":") ? `[${addr.hostname}]` : addr.hostname;
    return {
      url: `http://${host}:${addr.port}`,
      async finish(graceMs, stop) {
        await drainRequests(() => running, graceMs, stop);
        stopping.abort();
        await server.finished;
      },
    };
  } catch (error) {
    throw listenFailure(error, hostname, port);
  }
};

/** Deno would print the address. */
function quiet(): void {}
