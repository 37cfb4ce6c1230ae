import type { TokenBytes } from "../grammar/token-bytes.ts";
import type { EmbedRequest, GenerateRequest, ScoreRequest } from "./engine.ts";
import type { SteppedEngine } from "./stepped-engine.ts";
import {
  type Command,
  type EnginePort,
  type Outcome,
  type Report,
  toPlainBreakage,
  toPlainError,
  type WireRequest,
} from "./wire.ts";

/**
 * How often the other side hears of progress while no tokens come, as in the middle of a long prompt.
 * A few times a second is enough to tell a slow engine from a dead one.
 */
const STATS_INTERVAL_MS = 100;

/** An engine that can be hosted. */
export type HostedEngine = Omit<SteppedEngine, "step" | "savePrefix" | "restorePrefix" | "abandon">;

/**
 * Serve an engine over a port, to one `connectEngine` at its other end. When that end closes, its
 * requests are aborted; the engine is closed only when it asks for that.
 */
export function hostEngine(engine: HostedEngine, port: EnginePort): void {
  const requests = new Map<number, AbortController>();
  const vocabularies = new Map<number, TokenBytes>();
  let outcomes: Outcome[] = [];
  let timer: ReturnType<typeof setInterval> | undefined;

  const say = (report: Report): void => port.postMessage(report);

  function flush(): void {
    const { breakage } = engine;
    say({
      type: "step",
      outcomes,
      stats: engine.stats(),
      // Beside what it has done to requests, so that nobody sees one without the other.
      ...(breakage === undefined ? {} : { breakage: toPlainBreakage(breakage) }),
    });
    outcomes = [];
  }

  /**
   * A step wakes all its readers together, each in a microtask; one queued by the first of them runs
   * after the last, so that a step is one message.
   */
  function tell(outcome: Outcome): void {
    if (outcomes.length === 0) queueMicrotask(flush);
    outcomes.push(outcome);
  }

  function fromWire({ constraint, ...request }: WireRequest): GenerateRequest {
    if (constraint === undefined) return request;
    // It was sent before the first request that names it.
    const vocabulary = vocabularies.get(constraint.vocabulary)!;
    return { ...request, constraint: { ...constraint, vocabulary } };
  }

  async function generate(id: number, request: GenerateRequest): Promise<void> {
    for await (const event of engine.generate(request)) tell({ id, event });
  }

  async function score(id: number, request: ScoreRequest): Promise<void> {
    tell({ id, scores: await engine.score(request) });
  }

  async function embed(id: number, request: EmbedRequest): Promise<void> {
    tell({ id, embedding: await engine.embed(request) });
  }

  async function serve(id: number, run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const controller = new AbortController();
    requests.set(id, controller);
    timer ??= setInterval(flush, STATS_INTERVAL_MS);
    try {
      await run(controller.signal);
    } catch (error) {
      tell({ id, error: toPlainError(error) });
    } finally {
      requests.delete(id);
      if (requests.size === 0) {
        clearInterval(timer);
        timer = undefined;
      }
    }
  }

  async function close(): Promise<void> {
    try {
      await engine.close();
      say({ type: "closed" });
    } catch (error) {
      say({ type: "closed", error: toPlainError(error) });
    }
  }

  port.addEventListener("message", ({ data }) => {
    const command = data as Command;
    switch (command.type) {
      case "vocabulary":
        vocabularies.set(command.id, command.vocabulary);
        break;
      case "generate":
        void serve(command.id, (signal) =>
          generate(command.id, { ...fromWire(command.request), signal }),
        );
        break;
      case "score":
        void serve(command.id, (signal) => score(command.id, { ...command.request, signal }));
        break;
      case "embed":
        void serve(command.id, (signal) => embed(command.id, { ...command.request, signal }));
        break;
      case "abort":
        requests.get(command.id)?.abort();
        break;
      case "close":
        void close();
        break;
      default:
        command satisfies never;
    }
  });
  port.addEventListener("close", () => {
    for (const controller of requests.values()) controller.abort();
  });
  void engine.broken.then(flush);
  engine.onHeartbeat(flush);
  port.start?.();
  say({ type: "hello", info: engine.info, stats: engine.stats() });
}
