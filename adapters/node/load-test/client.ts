import { setTimeout as sleep } from "node:timers/promises";
import { request, type Dispatcher } from "undici";
import type { Arrival } from "./arrivals.ts";
import { readEvents } from "./events.ts";

/** Whom to ask, and how. */
export interface Target {
  /** With `/v1`, without a final slash. */
  readonly url: string;
  readonly model: string;
  readonly api: "chat" | "completions";
  readonly stream: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly dispatcher: Dispatcher;
}

/**
 * What became of a request. `cut`: the answer ended without saying why; `failed`: an error in the middle
 * of it; `refused`: an error instead of it; `lost`: no answer at all; `left`: on purpose.
 */
export type Fate = "ok" | "cut" | "failed" | "refused" | "lost" | "late" | "left";

/** One request, in milliseconds since it was due: what was not sent in time counts as waiting. */
export interface Outcome {
  readonly arrival: Arrival;
  readonly fate: Fate;
  /** HTTP status; 0 where there was none. */
  readonly status: number;
  /** The error's code, or what the connection said. */
  readonly code?: string;
  /** How late it was sent, as this machine was busy. */
  readonly lagMs: number;
  readonly firstTokenMs?: number;
  readonly endMs: number;
  /** Between first and last token, per token after the first. */
  readonly tokenMs?: number;
  readonly promptTokens: number;
  readonly answerTokens: number;
}

/** Over the limit of any server that has one. */
const OVERSIZE_BYTES = 16 * 1024 * 1024;
const SPACE = 0x20;
/** Of a slow reader. */
const SLOW_BYTES_PER_SECOND = 1024;
/** Events that a client who leaves has read before. */
const LEAVES_AFTER_EVENTS = 3;
/** A client who leaves early does so within this time. */
const EARLY_MS = 50;

/** Send one request that is due at `due` by `performance.now()`, and watch what becomes of it. */
export async function send(
  target: Target,
  arrival: Arrival,
  due: number,
  prompt: string,
): Promise<Outcome> {
  const since = (): number => performance.now() - due;
  const watch = { first: undefined as number | undefined, last: 0, events: 0 };
  const counted = { prompt: 0, answer: 0 };
  const leaving = new AbortController();
  const signal = AbortSignal.any([leaving.signal, AbortSignal.timeout(target.timeoutMs)]);
  const lagMs = since();
  let status = 0;
  let finished = false;

  const settle = (fate: Fate, code?: string): Outcome => {
    const answerTokens = counted.answer > 0 ? counted.answer : watch.events;
    return {
      arrival,
      fate,
      status,
      ...(code === undefined ? {} : { code }),
      lagMs,
      endMs: since(),
      ...(watch.first === undefined ? {} : { firstTokenMs: watch.first }),
      ...(watch.first === undefined || answerTokens < 2
        ? {}
        : { tokenMs: (watch.last - watch.first) / (answerTokens - 1) }),
      promptTokens: counted.prompt,
      answerTokens,
    };
  };
  const note = (event: WireEvent): void => {
    counted.prompt = event.usage?.prompt_tokens ?? counted.prompt;
    counted.answer = event.usage?.completion_tokens ?? counted.answer;
    const choice = event.choices?.[0];
    if (typeof choice?.finish_reason === "string") finished = true;
    if ((choice?.delta?.content ?? choice?.text ?? "") === "") return;
    watch.events++;
    watch.last = since();
    watch.first ??= watch.last;
  };

  const { behaviour } = arrival;
  if (behaviour === "leave-early") setTimeout(() => leaving.abort(), Math.random() * EARLY_MS);
  try {
    const answer = await request(`${target.url}/${PATHS[target.api]}`, {
      method: "POST",
      dispatcher: target.dispatcher,
      signal,
      headers: { "content-type": "application/json", ...target.headers },
      body:
        behaviour === "oversize"
          ? new Uint8Array(OVERSIZE_BYTES).fill(SPACE)
          : JSON.stringify(toBody(target, arrival, prompt)),
    });
    status = answer.statusCode;
    if (status !== 200) return settle("refused", codeOf(await answer.body.text()));
    if (!target.stream) {
      note(JSON.parse(await answer.body.text()) as WireEvent);
      return settle(finished ? "ok" : "cut");
    }
    const chunks = behaviour === "slow" ? slowly(answer.body) : answer.body;
    for await (const data of readEvents(chunks)) {
      if (data === "[DONE]") continue;
      const event = JSON.parse(data) as WireEvent;
      if (event.error !== undefined) return settle("failed", event.error.code ?? "error");
      note(event);
      if (behaviour === "leave" && watch.events >= LEAVES_AFTER_EVENTS) {
        leaving.abort();
        return settle("left");
      }
    }
    return settle(finished ? "ok" : "cut");
  } catch (error) {
    if (leaving.signal.aborted) return settle("left");
    if (signal.aborted) return settle("late", "timeout");
    return settle(watch.events > 0 ? "cut" : "lost", reasonOf(error));
  }
}

const PATHS = { chat: "chat/completions", completions: "completions" } as const;

/** What of an answer or a chunk is looked at. */
interface WireEvent {
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string | null };
    readonly text?: string;
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null;
  readonly error?: { readonly code?: string | null };
}

function toBody({ model, api, stream }: Target, { maxTokens }: Arrival, prompt: string): object {
  return {
    model,
    ...(api === "chat" ? { messages: [{ role: "user", content: prompt }] } : { prompt }),
    max_tokens: Math.max(maxTokens, 1),
    stream,
    ...(stream ? { stream_options: { include_usage: true } } : {}),
  };
}

async function* slowly(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    yield chunk;
    await sleep((chunk.byteLength * 1000) / SLOW_BYTES_PER_SECOND);
  }
}

function codeOf(text: string): string {
  try {
    const { error } = JSON.parse(text) as WireEvent;
    return error?.code ?? "error";
  } catch {
    return "error";
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && "code" in error) return String(error.code);
  return error instanceof Error ? error.name : "error";
}
