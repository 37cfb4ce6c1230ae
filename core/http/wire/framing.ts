/** How chunks of an answer become the bytes of a stream. */
export interface Framing {
  readonly headers: Readonly<Record<string, string>>;
  /** One chunk. JSON has no line breaks of its own. */
  frame(chunk: object): string;
  /** What ends a stream that went well. */
  readonly end: string;
  /** Fills silence: clients skip it, connections stay open, and writing it shows whether anyone is there. */
  readonly ping: string;
}

/** Headers of an event stream: nothing between us and the client may keep or collect it. */
const SSE_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no",
};

/** A comment, which clients skip. */
const COMMENT = ": ping\n\n";

/** OpenAI's completions: events without names, and a word at the end. */
export const SSE: Framing = {
  headers: SSE_HEADERS,
  frame: (chunk) => `data: ${JSON.stringify(chunk)}\n\n`,
  end: "data: [DONE]\n\n",
  ping: COMMENT,
};

/** Events that are named as their `type` says, as OpenAI's responses and Anthropic's messages are. */
export const NAMED_SSE: Framing = {
  headers: SSE_HEADERS,
  frame: (chunk) => `event: ${typeOf(chunk)}\ndata: ${JSON.stringify(chunk)}\n\n`,
  end: "",
  ping: COMMENT,
};

/** Anthropic's, which fill silence with an event of their own. */
export const ANTHROPIC_SSE: Framing = {
  ...NAMED_SSE,
  ping: 'event: ping\ndata: {"type": "ping"}\n\n',
};

/** Ollama: a line of JSON for each chunk. A blank before the next line changes nothing in it. */
export const NDJSON: Framing = {
  headers: {
    "content-type": "application/x-ndjson",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
  },
  frame: (chunk) => `${JSON.stringify(chunk)}\n`,
  end: "",
  ping: " ",
};

function typeOf(chunk: object): string {
  return "type" in chunk && typeof chunk.type === "string" ? chunk.type : "message";
}
