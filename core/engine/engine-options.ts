import type { Model } from "../model/model.ts";
import type { Backend } from "../tensor/backend.ts";
import type { EngineInfo } from "./engine.ts";

/** What an engine is made of. */
export interface EngineOptions extends Pick<EngineInfo, "choice" | "loadMs"> {
  /** The engine owns it from now on: `close` closes it. */
  readonly backend: Backend;
  readonly model: Model;
  /**
   * A smaller model on the same backend that guesses where that pays; answers are the same. Its vocabulary is that of
   * `model`, its cache has as many blocks of the same size.
   */
  readonly draft?: Model;
  /** Requests computed together; fewer where a step has too few rows or logit rows. */
  readonly maxSequences: number;
  /** Requests that may wait beyond those; the next one is refused with `QUEUE_FULL`. */
  readonly maxWaiting: number;
  /** Prompt tokens that may wait; absent means any number. */
  readonly maxWaitingTokens?: number;
  /** Milliseconds after which a request that has not begun ends with `QUEUE_FULL`; absent means never. */
  readonly maxWaitMs?: number;
  /**
   * Whether next tokens are guessed and verified where that pays; answers are the same. Absent means yes, `model` by
   * the draft model alone.
   */
  readonly speculate?: boolean | "model";
  /** Whether what is computed of a prompt serves later ones that begin alike; absent means yes. */
  readonly sharePrefixes?: boolean;
  /** Tokens that a request may hold; the model's context and the cache bound it in any case. */
  readonly contextLength?: number;
  /**
   * Prompt rows in one step, at most; the model's `maxRows` unless given. Smaller steps hold up
   * running answers and aborts less, larger ones compute prompts faster.
   */
  readonly chunk?: number;
  /**
   * Resolves after other events (messages, sockets, timers) had their turn. Absent: nothing runs by itself,
   * and whoever waits for an answer calls `SteppedEngine.step`.
   */
  readonly yieldTurn?: () => Promise<void>;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
}
