import { Agent } from "undici";
import type { Transport } from "../../../core/pool/transport.ts";

/** A node that is there accepts at once; this is for one that the network has lost. */
const CONNECT_TIMEOUT_MS = 1000;

/**
 * Connections to one server. Each carries one request at a time, also over HTTP/2: a stream would hold up what is
 * behind it, and readers of one connection share its window, so that a slow one would stop the others. undici puts a
 * second POST on a connection only where it may be sent twice, and a GOAWAY then ends all that are on it.
 */
const MOST_CONNECTIONS = 256;

/** Below the 65 s for which our own servers keep an idle connection. */
const KEEP_ALIVE_MS = 30_000;

/**
 * Requests over undici's pools of connections, which stay open between requests; over HTTP/2 where a server
 * speaks TLS and offers it. How long an answer may take is the caller's business, by the signal.
 */
export function createUndiciTransport(): Transport {
  const agent = new Agent({
    connections: MOST_CONNECTIONS,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    allowH2: true,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return {
    async send(url, { method, headers, body, signal }) {
      const { origin, pathname, search } = new URL(url);
      const response = await agent.request({
        origin,
        path: pathname + search,
        method,
        headers,
        signal,
        ...(body === undefined ? {} : { body }),
      });
      return {
        status: response.statusCode,
        headers: new Headers(
          Object.entries(response.headers).flatMap(([name, value]) =>
            value === undefined ? [] : [[name, String(value)] as [string, string]],
          ),
        ),
        body: response.body,
      };
    },
    close: () => agent.destroy(),
  };
}
