/**
 * How requests reach other servers. Implemented on `fetch` below and on Node by pools of connections. It
 * follows no redirection: a node that sends us elsewhere is no node of ours.
 */
export interface Transport {
  /** Send a request. Rejects with anything where no answer comes, and when the signal aborts. */
  send(url: string, request: TransportRequest): Promise<TransportResponse>;
  /** Let go of connections; it must not be used afterwards. */
  close(): Promise<void>;
}

/** A request. */
export interface TransportRequest {
  /** As HTTP has it. */
  readonly method: "GET" | "POST";
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Absent for GET. */
  readonly body?: string;
  /** Ends it, also while the answer is being read. */
  readonly signal: AbortSignal;
}

/** An answer whose body is yet to come. */
export interface TransportResponse {
  /** HTTP status. */
  readonly status: number;
  /** Its headers. */
  readonly headers: Headers;
  /** Read once; what is not asked for is not taken off the wire. Leaving early ends the request. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** What a transport needs of `fetch`. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** On `fetch`, which every runtime has, or on what does the same. */
export function createFetchTransport(send: Fetch = (url, init) => fetch(url, init)): Transport {
  return {
    async send(url, { method, headers, body, signal }) {
      const response = await send(url, {
        method,
        headers: { ...headers },
        redirect: "manual",
        signal,
        ...(body === undefined ? {} : { body }),
      });
      return { status: response.status, headers: response.headers, body: chunks(response.body) };
    },
    async close() {},
  };
}

async function* chunks(
  body: ReadableStream<Uint8Array> | null,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (body === null) return;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
