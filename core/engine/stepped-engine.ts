import type { MortalEngine } from "./engine.ts";
import type { KvPrefix } from "./kv-prefix.ts";

/** An engine that may be driven from outside, where no `yieldTurn` was given. */
export interface SteppedEngine extends MortalEngine {
  /** Run one step; `false` where there is nothing to do or a step is under way. Does not reject. */
  step(): Promise<boolean>;
  /**
   * Call `listener` now and then in the middle of a step that takes long and goes on: for whoever cannot look, as
   * this thread is busy.
   */
  onHeartbeat(listener: () => void): void;
  /**
   * Compute `tokens` and copy out the cache of their whole blocks. Rejects as {@linkcode Engine.score} does, and
   * with `MODEL_UNSUPPORTED` where the backend cannot.
   */
  savePrefix(tokens: readonly number[], signal?: AbortSignal): Promise<KvPrefix>;
  /**
   * From now on requests that begin with these tokens do not compute them; answers are the same bits. Rejects
   * with `RangeError` for a prefix of another shape, and with `MODEL_UNSUPPORTED`.
   */
  restorePrefix(prefix: KvPrefix): Promise<void>;
}
