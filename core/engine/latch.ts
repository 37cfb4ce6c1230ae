/** Holds a value from when it is known. */
export interface Latch<T> {
  readonly value: T | undefined;
  /**
   * Resolves with it. Made when it is first asked for: in some runtimes a promise belongs to the request that made it,
   * and nobody else may resolve it.
   */
  readonly promise: Promise<T>;
  /** Only the first counts. */
  set(value: T): void;
}

/** Nothing is known yet. */
export function createLatch<T extends object>(): Latch<T> {
  let known: T | undefined;
  let promise: Promise<T> | undefined;
  let tell: ((value: T) => void) | undefined;
  return {
    get value() {
      return known;
    },
    get promise() {
      promise ??= new Promise((resolve) => {
        if (known === undefined) tell = resolve;
        else resolve(known);
      });
      return promise;
    },
    set(value) {
      known ??= value;
      tell?.(known);
    },
  };
}
