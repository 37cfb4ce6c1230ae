/** A signal that Ctrl-C aborts. */
export interface Interrupt {
  readonly signal: AbortSignal;
  /** Give Ctrl-C its usual meaning back. */
  release(): void;
}

/** Abort at the first Ctrl-C; the second has its usual meaning and ends the process. */
export function abortOnInterrupt(): Interrupt {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  process.once("SIGINT", abort);
  return {
    signal: controller.signal,
    release: () => void process.removeListener("SIGINT", abort),
  };
}
