/** How late an event loop is. */
export interface LoopLag {
  /** Milliseconds by which the last look came too late, or by which the next one is late already. */
  milliseconds(): number;
  stop(): void;
}

/** Between two looks: a few before anybody calls a loop blocked. */
const LOOK_MS = 500;

/** Watch this thread's event loop, without keeping the process alive. */
export function watchLoopLag(): LoopLag {
  let looked = performance.now();
  let lag = 0;
  const late = (): number => Math.max(performance.now() - looked - LOOK_MS, 0);
  const timer = setInterval(() => {
    lag = late();
    looked = performance.now();
  }, LOOK_MS);
  timer.unref();
  return {
    milliseconds: () => Math.max(lag, late()),
    stop: () => clearInterval(timer),
  };
}
