import type { ChoiceEvent } from "../answer/several.ts";
import { RuntimeError } from "../errors.ts";
import type { TurnDone } from "../tools/events.ts";
import type { Leaving } from "./abort.ts";
import type { HttpLimits } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import { toFailure } from "./failure.ts";
import { chunksOf, createGathering } from "./gather.ts";
import { streamBody } from "./sse.ts";
import { within } from "./time-limit.ts";
import { toTotal, type Choice, type Format, type Total } from "./wire/format.ts";

/** Answers under way. */
export interface Job {
  readonly events: AsyncGenerator<ChoiceEvent, void, undefined>;
  readonly format: Format;
  /** How many prompts they answer, each as often as the others. */
  readonly prompts: number;
  /** Aborted when the client leaves; frees the engine. */
  readonly leaving: Leaving;
  readonly exchange: Exchange;
}

/** Answers that are sent in one piece. */
export interface WholeJob extends Job {
  /** Which of the answers are sent. */
  keep(choices: readonly Choice[]): readonly Choice[];
}

/** nginx's number for a client that left: for the log, nobody receives it. */
const LEFT = 499;

/** The answers in one piece. */
export async function respondWhole(
  job: WholeJob,
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
  const { body, total } = await whole;
  return Response.json(body, { headers: { "server-timing": serverTiming(total, encodeMs) } });
}

interface Whole {
  readonly body: object;
  readonly total: Total;
}

async function collect(job: WholeJob): Promise<Whole> {
  const { events, format, leaving, prompts } = job;
  const gathering = createGathering();
  try {
    for await (const event of events) gathering.add(event);
    const choices = gathering.choices();
    const dones = choices.map(({ done }) => done);
    const total = toTotal(dones, prompts);
    recordDone(job, total, dones);
    job.exchange.trace.writing();
    return { body: format.whole(job.keep(choices), total), total };
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
      yield JSON.stringify(exchange.style(failure).body);
    }
  }
  const keepAlive = { keepAliveMs: limits.wholeKeepAliveMs, stallMs: limits.stallMs };
  const release = (): void => {
    leaving.abort();
    exchange.end(status);
  };
  const body = streamBody(text(), keepAlive, release, " ");
  return new Response(body, { headers: { "content-type": "application/json" } });
}

/** The answers as a stream of chunks. */
export async function respondInPieces(job: Job, limits: HttpLimits): Promise<Response> {
  const { events, format, leaving, exchange } = job;
  const first = events.next();
  // It is awaited below; where the client leaves before that, nobody is left to hear of its failure.
  first.catch(() => {});
  try {
    // Until something has been sent, an error can be an answer of its own with its own status.
    await within(first, limits.keepAliveMs);
    if (leaving.signal.aborted) throw new RuntimeError("ABORTED", "The client left");
  } catch (error) {
    leaving.release();
    throw error;
  }

  let outcome = LEFT;
  exchange.startStreaming();
  // However the stream ends, it ends here: read to its end, cancelled, stalled, or left.
  leaving.signal.addEventListener("abort", () => {
    leaving.release();
    events.return().catch(() => {});
    exchange.end(outcome);
  });
  const frames = toFrames(job, first, (status) => {
    outcome = status;
  });
  const { headers, ping } = format.framing;
  return new Response(
    streamBody(unempty(frames), limits, () => leaving.abort(), ping),
    { headers },
  );
}

/** Without frames that need not be sent. */
async function* unempty(frames: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  for await (const frame of frames) if (frame !== "") yield frame;
}

/** The frames of a stream. A failure becomes the last of them, and the framing's end does not follow. */
async function* toFrames(
  job: Job,
  first: Promise<IteratorResult<ChoiceEvent, void>>,
  setOutcome: (status: number) => void,
): AsyncGenerator<string, void, undefined> {
  const { events, format, leaving, exchange, prompts } = job;
  const { framing } = format;
  const dones: TurnDone[] = [];
  try {
    let next = await first;
    for (const chunk of format.opening()) yield framing.frame(chunk);
    for (; next.done !== true; next = await events.next()) {
      const { choice, event } = next.value;
      if (event.type === "done") dones[choice] = event;
      for (const chunk of chunksOf(format, next.value)) yield framing.frame(chunk);
    }
    const total = toTotal(dones, prompts);
    recordDone(job, total, dones);
    setOutcome(200);
    for (const chunk of format.closing(total)) yield framing.frame(chunk);
    if (framing.end !== "") yield framing.end;
  } catch (error) {
    if (leaving.signal.aborted) return;
    const failure = toFailure(error);
    exchange.fail(error);
    setOutcome(failure.status);
    yield framing.frame(format.failed(failure, exchange.id));
  }
}

function recordDone(
  { exchange }: Job,
  { usage, timings }: Total,
  dones: readonly TurnDone[],
): void {
  const finishReasons = dones.map(({ reason }) => reason);
  exchange.note({
    completion_tokens: usage.completionTokens,
    finish_reason: finishReasons[0] ?? null,
  });
  exchange.trace.answered(timings, { ...usage, finishReasons });
}

/** The stages of an answer in milliseconds, for the network panel of a browser. */
function serverTiming({ timings }: Total, encodeMs: number): string {
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
