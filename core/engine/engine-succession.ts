import { RuntimeError } from "../errors.ts";
import { pause } from "../pause.ts";
import { type Breakage, type BreakReason, isGpu } from "./breakage.ts";
import { aborted, notReady } from "./endings.ts";
import { createEngineWaiters, type Patience, type WaitLimits } from "./engine-waiters.ts";
import type { EngineInfo, MortalEngine } from "./engine.ts";
import { createLatch } from "./latch.ts";
import { openInTime } from "./open-in-time.ts";
import { createRestartPolicy, type RestartLimits } from "./restart-policy.ts";

/** An engine and the way to be rid of it. */
export interface OpenedEngine {
  /** What computes. */
  readonly engine: MortalEngine;
  /** End its requests, and release what it holds. */
  close(): Promise<void>;
  /**
   * Release all that it holds, memory before all, however it broke and whatever it still computes: its instance is
   * never used again, and the next engine needs the room. Does not reject.
   */
  discard(): Promise<void>;
}

/** How an engine is to be opened. */
export interface OpenContext {
  /** Do without a GPU. */
  readonly degraded: boolean;
  /** Ends opening. */
  readonly signal: AbortSignal;
}

/** A change of state, for a log. */
export type EngineChange =
  | {
      readonly type: "broken";
      readonly reason: BreakReason;
      readonly error: RuntimeError;
    }
  | { readonly type: "not_opened"; readonly error: RuntimeError; readonly delayMs: number }
  | {
      readonly type: "replaced";
      readonly backend: string;
      readonly degraded: boolean;
      /** Milliseconds without an engine. */
      readonly tookMs: number;
    }
  | { readonly type: "given_up"; readonly error: RuntimeError };

/** What a succession is made of. */
export interface SuccessionOptions extends WaitLimits {
  /** Open an engine; rejects with `RuntimeError`. */
  readonly open: (context: OpenContext) => Promise<OpenedEngine>;
  readonly restarts: RestartLimits;
  /** Opening a further one may take so many times what the first one took, and so many milliseconds in any case. */
  readonly openFactor: number;
  readonly openMs: number;
  readonly onChange: (change: EngineChange) => void;
  /** An engine was given up; its statistics are still there. */
  readonly onBroken: (engine: MortalEngine, breakage: Breakage) => void;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
}

/** Engines, one after the other: where one breaks the next is opened. */
export interface Succession {
  /** The engine to ask now, where there is one. */
  readonly current: MortalEngine | undefined;
  /** The same, and for a moment one that has just broken. */
  readonly opened: MortalEngine | undefined;
  /** Of the latest engine, where none is there. */
  readonly info: EngineInfo;
  /** `closed` comes by {@linkcode Succession.close} alone. */
  readonly state: "ready" | "opening" | "gone" | "closed";
  readonly degraded: boolean;
  /** When the state became what it is. */
  readonly since: number;
  /** Requests that wait for an engine. */
  readonly waiting: number;
  /** Resolves when no further engine is opened, with what the last one died of. */
  readonly gone: Promise<RuntimeError>;
  /**
   * The engine to ask, as soon as there is one. Rejects as {@linkcode EngineWaiters.wait} does, and with `NOT_READY`
   * where there will be none.
   */
  next(patience: Patience): Promise<MortalEngine>;
  /** End it: no further engine is opened. */
  close(): Promise<void>;
}

/** A succession whose first engine is there. Rejects as `open` does where it cannot be opened. */
export async function beginSuccession(
  options: SuccessionOptions,
  signal: AbortSignal | undefined,
): Promise<Succession> {
  const { open, restarts, onChange, onBroken, now } = options;
  const policy = createRestartPolicy(restarts);
  const closing = new AbortController();
  const waiters = createEngineWaiters(options, now);
  let state: Succession["state"] = "ready";
  let since = now();
  let degraded = false;
  let last: RuntimeError | undefined;
  const gone = createLatch<RuntimeError>();
  let opened: OpenedEngine | undefined = await open({
    degraded,
    signal: signal ?? closing.signal,
  });
  let { info } = opened.engine;
  const openMs = Math.max(options.openMs, options.openFactor * (now() - since));
  let reopening: Promise<void> = Promise.resolve();
  void watch(opened);

  function current(): MortalEngine | undefined {
    const engine = opened?.engine;
    // Whose requests fail may be heard of before its breakage is.
    return engine?.breakage === undefined ? engine : undefined;
  }

  function become(what: Succession["state"]): void {
    state = what;
    since = now();
  }

  /** Wait for an engine's end, and see to the next. */
  async function watch(one: OpenedEngine): Promise<void> {
    const breakage = await one.engine.broken;
    if (one !== opened || state !== "ready") return;
    opened = undefined;
    become("opening");
    const onGpu = isGpu(one.engine.info.backend);
    onBroken(one.engine, breakage);
    onChange({ type: "broken", ...breakage });
    last = breakage.error;
    reopening = reopen(one, onGpu);
  }

  /** Discard an engine and open the next. Does not reject. */
  async function reopen(broken: OpenedEngine, brokeOnGpu: boolean): Promise<void> {
    const began = since;
    let restart = policy.broke(began, brokeOnGpu);
    await broken.discard();
    while (state === "opening") {
      if (restart === undefined) {
        giveUp();
        return;
      }
      ({ degraded } = restart);
      if (restart.delayMs > 0) await pause(restart.delayMs, closing.signal);
      if (closing.signal.aborted) return;
      try {
        const heir = await openInTime(open, { degraded, signal: closing.signal }, openMs);
        if (closing.signal.aborted) {
          await heir.discard();
          return;
        }
        opened = heir;
        ({ info } = heir.engine);
        become("ready");
        const { backend } = heir.engine.info;
        onChange({ type: "replaced", backend, degraded, tookMs: since - began });
        void watch(heir);
        waiters.serve(heir.engine);
      } catch (error) {
        last = RuntimeError.is(error)
          ? error
          : new RuntimeError("INTERNAL", `Cannot open an engine: ${String(error)}`, {
              cause: error,
            });
        restart = policy.broke(now(), brokeOnGpu && !degraded);
        if (restart !== undefined)
          onChange({ type: "not_opened", error: last, delayMs: restart.delayMs });
      }
    }
  }

  function giveUp(): void {
    const error = last ?? notReady();
    become("gone");
    onChange({ type: "given_up", error });
    gone.set(error);
    waiters.refuse(notReady);
  }

  async function next(patience: Patience): Promise<MortalEngine> {
    if (patience.signal?.aborted === true) throw aborted();
    const engine = current();
    if (engine !== undefined) return engine;
    if (state === "gone" || state === "closed") throw notReady();
    return waiters.wait(patience);
  }

  async function shutDown(): Promise<void> {
    become("closed");
    closing.abort();
    waiters.refuse(notReady);
    // An engine that breaks while it is closed is not replaced.
    const one = opened;
    opened = undefined;
    await reopening;
    await one?.close();
  }

  let closed: Promise<void> | undefined;
  return {
    get current() {
      return current();
    },
    get opened() {
      return opened?.engine;
    },
    get info() {
      return info;
    },
    get state() {
      return state;
    },
    get degraded() {
      return degraded;
    },
    get since() {
      return since;
    },
    get waiting() {
      return waiters.size;
    },
    get gone() {
      return gone.promise;
    },
    next,
    close: () => (closed ??= shutDown()),
  };
}
