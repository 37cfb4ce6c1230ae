/** An abort signal with one owner. */
export interface Leaving {
  readonly signal: AbortSignal;
  abort(): void;
  /** Let go of the signal that was followed; to be called once the work is over. */
  release(): void;
}

/** A signal that aborts with `other`, or when told to. */
export function abortWith(other: AbortSignal): Leaving {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (other.aborted) abort();
  else other.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    abort,
    release: () => other.removeEventListener("abort", abort),
  };
}
