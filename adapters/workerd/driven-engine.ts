import type { GenerateEvent, MortalEngine } from "../../core/engine/engine.ts";
import type { SteppedEngine } from "../../core/engine/stepped-engine.ts";

/**
 * An engine whose readers drive it. In workerd timers and I/O belong to a request and end with it, so that
 * a loop begun in one request would stop when that request's client leaves, with everybody else's answers
 * in it. Here each reader that waits runs steps, for all of them, between turns of its own timers.
 */
export function driveByReaders(engine: SteppedEngine): MortalEngine {
  const drive = <T>(wanted: Promise<T>): Promise<T> => driveSteps(engine, wanted);

  return {
    get info() {
      return engine.info;
    },
    get breakage() {
      return engine.breakage;
    },
    get broken() {
      return engine.broken;
    },
    stats: () => engine.stats(),
    abandon: (breakage) => engine.abandon(breakage),
    close: () => engine.close(),
    generate(request) {
      return {
        [Symbol.asyncIterator](): AsyncIterator<GenerateEvent, undefined> {
          const events = engine.generate(request)[Symbol.asyncIterator]();
          return {
            next: () => drive(events.next()),
            return: async () => {
              await events.return?.();
              return { done: true, value: undefined };
            },
          };
        },
      };
    },
    score: (request) => drive(engine.score(request)),
    embed: (request) => drive(engine.embed(request)),
  };
}

/** Run steps, for all who wait, until `wanted` is there. */
export async function driveSteps<T>(engine: SteppedEngine, wanted: Promise<T>): Promise<T> {
  const state = { settled: false };
  const settle = (): void => {
    state.settled = true;
  };
  wanted.then(settle, settle);
  // What waits already is there after one microtask.
  await Promise.resolve();
  while (!state.settled) {
    await engine.step();
    await turn();
  }
  return wanted;
}

/** Lets what was computed leave, requests arrive and the clock go on. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
