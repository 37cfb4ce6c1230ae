import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** How a request ended, as its client saw it. */
export interface Ending {
  readonly status: number;
  readonly text: string;
  /** `complete`: with a reason and `[DONE]`; `failed`: an error instead of either. */
  readonly kind: "complete" | "refused" | "failed" | "truncated";
  readonly milliseconds: number;
  /** Until the first text of a stream. */
  readonly firstMs: number | undefined;
  readonly retryAfter: string | null;
  readonly code: string | undefined;
  /** Id of the last event, where events have ids. */
  readonly lastId: string | undefined;
}

/** A prompt and what a client does with its answer. */
export interface Asking {
  readonly prompt: string | readonly number[];
  readonly tokens: number;
  readonly stream: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  /** Leave after so many events. */
  readonly leaveAfter?: number;
  /** Wait so long before each read. */
  readonly slowMs?: number;
  readonly signal?: AbortSignal;
}

/** What the server that is asked calls its model. */
export const MODEL = "sirocco-demo.q8_0";

function bodyOf({ prompt, tokens, stream }: Asking): string {
  return JSON.stringify({ model: MODEL, prompt, max_tokens: tokens, temperature: 0, stream });
}

/** Ask and read to the end, or as far as asked. */
export async function ask(url: string, asking: Asking): Promise<Ending> {
  const start = performance.now();
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...asking.headers },
    body: bodyOf(asking),
    ...(asking.signal === undefined ? {} : { signal: asking.signal }),
  });
  const base = { status: response.status, retryAfter: response.headers.get("retry-after") };
  const end = (more: Partial<Ending> & Pick<Ending, "kind">): Ending => ({
    text: "",
    code: undefined,
    lastId: undefined,
    firstMs: undefined,
    ...base,
    ...more,
    milliseconds: performance.now() - start,
  });
  if (response.status !== 200) {
    const { error } = (await response.json()) as { error: { code: string } };
    return end({ kind: "refused", code: error.code });
  }
  if (!asking.stream) {
    const { choices } = (await response.json()) as { choices: { text: string }[] };
    return end({ kind: "complete", text: choices[0]?.text ?? "" });
  }
  return end(await readStream(response, asking, start));
}

interface Chunk {
  readonly error?: { readonly code: string };
  readonly choices?: readonly { readonly text: string; readonly finish_reason: string | null }[];
}

/** What has been read of a stream so far. */
interface Reading {
  text: string;
  finished: boolean;
  complete: boolean;
  events: number;
  lastId: string | undefined;
  code: string | undefined;
  firstAt: number | undefined;
}

function take(reading: Reading, line: string): void {
  if (line.startsWith("id: ")) reading.lastId = line.slice(4);
  if (line === "data: [DONE]") reading.complete = reading.finished;
  if (!line.startsWith("data: {")) return;
  const { error, choices } = JSON.parse(line.slice(6)) as Chunk;
  reading.events++;
  reading.code ??= error?.code;
  const choice = choices?.[0];
  if (choice === undefined) return;
  reading.text += choice.text;
  if (reading.text !== "") reading.firstAt ??= performance.now();
  reading.finished ||= choice.finish_reason !== null;
}

async function readStream(
  response: Response,
  { leaveAfter = Infinity, slowMs }: Asking,
  start: number,
): Promise<Pick<Ending, "kind" | "text" | "code" | "lastId" | "firstMs">> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const reading: Reading = {
    text: "",
    finished: false,
    complete: false,
    events: 0,
    lastId: undefined,
    code: undefined,
    firstAt: undefined,
  };
  let rest = "";
  while (reading.events < leaveAfter) {
    if (slowMs !== undefined) await sleep(slowMs);
    const { done, value = "" } = await reader.read();
    if (done) break;
    const frames = (rest + value).split("\n\n");
    rest = frames.pop() ?? "";
    for (const frame of frames) {
      // Leaving means not to have seen what came in the same piece.
      if (reading.events < leaveAfter) for (const line of frame.split("\n")) take(reading, line);
    }
  }
  if (reading.events >= leaveAfter) await reader.cancel();
  const { text, code, lastId, complete, firstAt } = reading;
  const firstMs = firstAt === undefined ? undefined : firstAt - start;
  const kind = complete ? "complete" : code === undefined ? "truncated" : "failed";
  return { kind, text, code, lastId, firstMs };
}

/** Send a request and never read its answer; the socket has to be destroyed by the caller. */
export async function askAndPause(url: string, asking: Asking): Promise<{ destroy(): void }> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.pause();
  const body = bodyOf(asking);
  socket.write(
    `POST /v1/completions HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  return { destroy: () => socket.resetAndDestroy() };
}

/** A server's own counts, by name. */
export async function metricsOf(url: string): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const values = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, name, value] = /^([\w:]+)(?:\{[^}]*\})? (\S+)$/.exec(line) ?? [];
    if (name !== undefined) values.set(name, (values.get(name) ?? 0) + Number(value));
  }
  return values;
}

/** Milliseconds until a server has no request and no cache block in use; Infinity after ten seconds. */
export async function untilIdle(url: string): Promise<number> {
  const start = performance.now();
  while (performance.now() - start < 10_000) {
    const values = await metricsOf(url);
    const busy = [
      "vllm:num_requests_running",
      "vllm:num_requests_waiting",
      "vllm:kv_cache_usage_perc",
    ];
    if (busy.every((name) => values.get(name) === 0)) return performance.now() - start;
    await sleep(20);
  }
  return Infinity;
}
