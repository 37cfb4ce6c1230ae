import { isGpu } from "../../core/engine/breakage.ts";
import type { BreakTally } from "../../core/engine/break-tally.ts";
import type { MortalEngine } from "../../core/engine/engine.ts";
import type { Succession } from "../../core/engine/engine-succession.ts";
import type { Patience } from "../../core/engine/engine-waiters.ts";
import { createLatch } from "../../core/engine/latch.ts";
import { aborted, late, loadingAgain, notReady } from "../../core/engine/endings.ts";
import {
  createRestartPolicy,
  RESTART_LIMITS,
  type Restart,
  type RestartLimits,
} from "../../core/engine/restart-policy.ts";
import { RuntimeError } from "../../core/errors.ts";

/** What a succession is made of. */
export interface ReaderSuccessionOptions {
  readonly first: MortalEngine;
  /** Open the next engine, for the request that calls it. */
  readonly open: () => Promise<MortalEngine>;
  readonly tally: BreakTally;
  readonly restarts?: RestartLimits;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Between two looks at whether an engine is there: little beside the second that loading takes. */
const LOOK_MS = 10;

/** Requests that may wait, beside those that were let in: what the engine of a worker lets wait. */
const MAX_WAITING = 16;

/** As long as a model's first load is waited for. */
const WAIT_MS = 60_000;

/**
 * Whoever opens an engine says so this often at least. Where a client leaves, its request ends in the middle of what
 * it does, and another takes over; reading a file leaves many more chances than this.
 */
const TAKE_OVER_MS = 5000;

/** Somebody opens the next engine. */
interface Attempt {
  seen: number;
}

/**
 * Engines, one after the other, each opened by a reader that misses it: in workerd work belongs to a request and ends
 * with it, and no request's promise wakes another one up.
 */
export function createReaderSuccession(options: ReaderSuccessionOptions): Succession {
  const { open, tally, restarts = RESTART_LIMITS, now } = options;
  const policy = createRestartPolicy(restarts);
  let opened: MortalEngine | undefined = options.first;
  let { info } = opened;
  let state: Succession["state"] = "ready";
  let since = now();
  let waiting = 0;
  let attempt: Attempt | undefined;
  let notBefore = 0;
  const gone = createLatch<RuntimeError>();

  function become(what: Succession["state"]): void {
    state = what;
    since = now();
  }

  /** The engine, unless it has broken, which is noticed here. */
  function current(): MortalEngine | undefined {
    const engine = opened;
    if (engine?.breakage === undefined || state !== "ready") return engine;
    tally.add(engine, engine.breakage);
    opened = undefined;
    become("opening");
    goOn(policy.broke(now(), isGpu(engine.info.backend)), engine.breakage.error);
    // Its memory is given back as soon as nobody refers to it.
    engine.close().catch(() => {});
    return undefined;
  }

  function goOn(restart: Restart | undefined, error: RuntimeError): void {
    if (restart !== undefined) {
      notBefore = now() + restart.delayMs;
      return;
    }
    become("gone");
    gone.set(error);
  }

  async function next({ signal, deadline, admitted }: Patience): Promise<MortalEngine> {
    if (!admitted && waiting >= MAX_WAITING) {
      throw new RuntimeError("QUEUE_FULL", "The engine is being replaced, and many wait for it");
    }
    const until = Math.min(deadline, now() + WAIT_MS);
    waiting++;
    try {
      for (;;) {
        if (signal?.aborted === true) throw aborted();
        const engine = current();
        if (engine !== undefined) return engine;
        if (state !== "opening") throw notReady();
        if (now() >= until) throw until === deadline ? late() : loadingAgain();
        const abandoned = attempt === undefined || now() - attempt.seen > TAKE_OVER_MS;
        if (abandoned && now() >= notBefore) await openHere();
        else await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    } finally {
      waiting--;
    }
  }

  /** Open the next engine on behalf of this request. Does not reject. */
  async function openHere(): Promise<void> {
    const mine: Attempt = { seen: now() };
    attempt = mine;
    const beat = setInterval(() => {
      mine.seen = now();
    }, LOOK_MS);
    try {
      const engine = await open();
      // Somebody has lost patience with this one.
      if (attempt !== mine || state !== "opening") {
        await engine.close();
        return;
      }
      opened = engine;
      ({ info } = engine);
      become("ready");
    } catch (error) {
      const cause = RuntimeError.is(error)
        ? error
        : new RuntimeError("INTERNAL", `Cannot open an engine: ${String(error)}`, { cause: error });
      if (attempt === mine) goOn(policy.broke(now(), false), cause);
    } finally {
      clearInterval(beat);
      if (attempt === mine) attempt = undefined;
    }
  }

  return {
    get current() {
      return current();
    },
    get opened() {
      return opened;
    },
    get info() {
      return info;
    },
    get state() {
      return state;
    },
    degraded: false,
    get since() {
      return since;
    },
    get waiting() {
      return waiting;
    },
    get gone() {
      return gone.promise;
    },
    next,
    async close() {
      const engine = opened;
      become("closed");
      opened = undefined;
      await engine?.close();
    },
  };
}
