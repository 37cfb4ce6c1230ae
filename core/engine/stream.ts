/** How much may wait for a reader. */
export interface Backlog<T> {
  /** What a value weighs. */
  readonly weigh: (value: T) => number;
  readonly most: number;
  /** What the reader gets for being slow, once it has pulled what waited. */
  readonly overflow: () => unknown;
}

/** The writing end of an async iterator. Values wait until they are pulled. */
export interface Stream<T> {
  readonly iterator: AsyncIterator<T, undefined>;
  readonly push: (value: T) => void;
  /** No more values; the reader sees the end once it has pulled those that wait. */
  readonly end: () => void;
  /** No more values; the reader sees the error once it has pulled those that wait. */
  readonly fail: (error: unknown) => void;
}

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * A stream that calls `closed` once: when it is ended or failed, or when its reader goes away. Unlike
 * an async generator it hears of that at once, even while the reader's own `next` is still unanswered.
 * With a bounded backlog a value that would exceed it fails the stream instead.
 */
export function createStream<T>(closed: () => void, backlog?: Backlog<T>): Stream<T> {
  const values: T[] = [];
  let weight = 0;
  let waiters: Waiter<T>[] = [];
  let ended = false;
  let failure: { readonly error: unknown } | undefined;

  function push(value: T): void {
    if (ended) return;
    const waiter = waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve({ done: false, value });
      return;
    }
    weight += backlog?.weigh(value) ?? 0;
    if (backlog !== undefined && weight > backlog.most) fail(backlog.overflow());
    else values.push(value);
  }

  function end(): void {
    if (ended) return;
    ended = true;
    for (const waiter of waiters) waiter.resolve(END);
    waiters = [];
    closed();
  }

  function fail(error: unknown): void {
    if (ended) return;
    const waiter = waiters.shift();
    // An error is seen once, by whoever asks first.
    if (waiter === undefined) failure = { error };
    else waiter.reject(error);
    end();
  }

  function next(): Promise<IteratorResult<T, undefined>> {
    if (values.length > 0) {
      const value = values.shift()!;
      weight -= backlog?.weigh(value) ?? 0;
      return Promise.resolve({ done: false, value });
    }
    if (failure !== undefined) {
      const { error } = failure;
      failure = undefined;
      return Promise.reject(error);
    }
    if (ended) return Promise.resolve(END);
    return new Promise((resolve, reject) => waiters.push({ resolve, reject }));
  }

  function leave(): Promise<IteratorReturnResult<undefined>> {
    values.length = 0;
    failure = undefined;
    end();
    return Promise.resolve(END);
  }

  return { iterator: { next, return: leave }, push, end, fail };
}
