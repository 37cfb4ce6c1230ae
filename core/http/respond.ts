import type { AnswerText } from "../answer/answer.ts";
import { RuntimeError } from "../errors.ts";
import type { ToolCallDelta, TurnDone, TurnEvent } from "../tools/events.ts";
import type { Leaving } from "./abort.ts";
import type { HttpLimits } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import { errorCode, toFailure } from "./failure.ts";
import type { AnswerMeter } from "./server-metrics.ts";
import { SSE_DONE, SSE_HEADERS, sseBody, sseFrame, within } from "./sse.ts";
import type { Format } from "./wire/format.ts";

/** An answer under way. */
export interface Job {
  readonly events: AsyncGenerator<TurnEvent, void, undefined>;
  readonly format: Format;
  readonly includeUsage: boolean;
  readonly meter: AnswerMeter;
  /** Aborted when the client leaves; frees the engine. */
  readonly leaving: Leaving;
  readonly exchange: Exchange;
}

/** nginx's number for a client that left: for the log, nobody receives it. */
const LEFT = 499;

/** The answer in one piece. */
export async function respondWhole(
  job: Job,
  encodeMs: number,
  limits: HttpLimits,
): Promise<Response> {
  const whole = collect(job);
  if (limits.wholeKeepAliveMs < Infinity) {
    // It is awaited below; where the client leaves before that, nobody is left to hear of its failure.
    whole.catch(() => {});
    if ((await within(whole, limits.wholeKeepAliveMs)) === undefined)
      return drip(job, whole, limits);
  }
  const { body, done } = await whole;
  return Response.json(body, { headers: { "server-timing": serverTiming(done, encodeMs) } });
}

interface Whole {
  readonly body: object;
  readonly done: TurnDone;
}

async function collect(job: Job): Promise<Whole> {
  const { events, format, meter, leaving } = job;
  const texts: AnswerText[] = [];
  const calls: ToolCallDelta[] = [];
  try {
    for await (const event of events) {
      if (event.type === "text") {
        texts.push(event);
      } else if (event.type === "tool_call") {
        calls.push(event);
      } else {
        recordDone(job, event);
        return { body: format.whole(texts, calls, event), done: event };
      }
    }
    throw new RuntimeError("INTERNAL", "The answer ended without a reason");
  } catch (error) {
    if (errorCode(error) === "ABORTED") meter.aborted();
    throw error;
  } finally {
    leaving.release();
  }
}

/** White space until the answer is there, which JSON allows before a value. */
function drip({ leaving, exchange }: Job, whole: Promise<Whole>, limits: HttpLimits): Response {
  exchange.startStreaming();
  let status = LEFT;
  async function* text(): AsyncGenerator<string, void, undefined> {
    try {
      const { body } = await whole;
      status = 200;
      yield JSON.stringify(body);
    } catch (error) {
      if (leaving.signal.aborted) return;
      exchange.fail(error);
      const failure = toFailure(error);
      ({ status } = failure);
      yield JSON.stringify(failure.body);
    }
  }
  const keepAlive = { keepAliveMs: limits.wholeKeepAliveMs, stallMs: limits.stallMs };
  const release = (): void => {
    leaving.abort();
    exchange.end(status);
  };
  const body = sseBody(text(), keepAlive, release, " ");
  return new Response(body, { headers: { "content-type": "application/json" } });
}

/** The answer as a stream of events. */
export async function respondInPieces(job: Job, limits: HttpLimits): Promise<Response> {
  const { events, meter, leaving, exchange } = job;
  const first = events.next();
  // It is awaited below; where the client leaves before that, nobody is left to hear of its failure.
  first.catch(() => {});
  try {
    // Until something has been sent, an error can be an answer of its own with its own status.
    await within(first, limits.keepAliveMs);
    if (leaving.signal.aborted) throw new RuntimeError("ABORTED", "The client left");
  } catch (error) {
    leaving.release();
    if (errorCode(error) === "ABORTED") meter.aborted();
    throw error;
  }

  let outcome = LEFT;
  exchange.startStreaming();
  // However the stream ends, it ends here: read to its end, cancelled, stalled, or left.
  leaving.signal.addEventListener("abort", () => {
    leaving.release();
    events.return().catch(() => {});
    if (outcome === LEFT) meter.aborted();
    exchange.end(outcome);
  });
  const frames = toFrames(job, first, (status) => {
    outcome = status;
  });
  const body = sseBody(frames, limits, () => leaving.abort());
  return new Response(body, { headers: SSE_HEADERS });
}

/** The frames of a stream. A failure becomes the last of them, and `[DONE]` does not follow. */
async function* toFrames(
  job: Job,
  first: Promise<IteratorResult<TurnEvent, void>>,
  setOutcome: (status: number) => void,
): AsyncGenerator<string, void, undefined> {
  const { events, format, includeUsage, leaving, exchange } = job;
  try {
    let next = await first;
    for (const chunk of format.opening()) yield sseFrame(chunk);
    for (; next.done !== true; next = await events.next()) {
      const event = next.value;
      if (event.type === "text") {
        yield sseFrame(format.text(event));
        continue;
      }
      if (event.type === "tool_call") {
        yield sseFrame(format.toolCall(event));
        continue;
      }
      recordDone(job, event);
      setOutcome(200);
      yield sseFrame(format.finish(event));
      if (includeUsage) yield sseFrame(format.usage(event));
      yield SSE_DONE;
    }
  } catch (error) {
    if (leaving.signal.aborted) return;
    const { status, body } = toFailure(error);
    exchange.fail(error);
    setOutcome(status);
    yield sseFrame(body);
  }
}

function recordDone({ meter, exchange }: Job, event: TurnDone): void {
  meter.done(event);
  exchange.note({
    completion_tokens: event.usage.completionTokens,
    finish_reason: event.reason,
  });
}

/** The stages of an answer in milliseconds, for the network panel of a browser. */
function serverTiming({ timings }: TurnDone, encodeMs: number): string {
  const { firstTokenMs, decodeMs, engine } = timings;
  const stages: readonly (readonly [string, number | undefined])[] = [
    ["queue", engine?.queueMs],
    ["tok", encodeMs],
    ["prefill", engine?.prefillMs],
    ["ttft", firstTokenMs],
    ["decode", decodeMs],
  ];
  return stages
    .flatMap(([name, ms]) => (ms === undefined ? [] : [`${name};dur=${ms.toFixed(1)}`]))
    .join(", ");
}
