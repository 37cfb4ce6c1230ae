import { expect, test, vi } from "vitest";
import { createStream } from "../../../core/engine/stream.ts";

test("createStream hands out values in order, waited for or not, then the end for ever", async () => {
  const { iterator, push, end } = createStream<number>(() => {});
  push(1);
  const [first, second, third] = [iterator.next(), iterator.next(), iterator.next()];
  push(2);
  end();
  push(3);
  expect(await Promise.all([first, second, third, iterator.next()])).toEqual([
    { done: false, value: 1 },
    { done: false, value: 2 },
    { done: true, value: undefined },
    { done: true, value: undefined },
  ]);
});

test("createStream shows an error once, after the values that came before it", async () => {
  const { iterator, push, fail } = createStream<number>(() => {});
  push(1);
  fail(new Error("broken"));
  fail(new Error("again"));
  expect(await iterator.next()).toEqual({ done: false, value: 1 });
  await expect(iterator.next()).rejects.toThrow("broken");
  expect(await iterator.next()).toEqual({ done: true, value: undefined });

  const waited = createStream<number>(() => {});
  const pending = waited.iterator.next();
  waited.fail(new Error("broken"));
  await expect(pending).rejects.toThrow("broken");
  expect(await waited.iterator.next()).toEqual({ done: true, value: undefined });
});

test("createStream calls closed exactly once, however the stream ends", () => {
  const ways = [
    (s: ReturnType<typeof createStream>) => s.end(),
    (s: ReturnType<typeof createStream>) => s.fail(new Error("broken")),
    (s: ReturnType<typeof createStream>) => void s.iterator.return?.(),
  ];
  for (const way of ways) {
    const closed = vi.fn<() => void>();
    const stream = createStream(closed);
    way(stream);
    for (const other of ways) other(stream);
    expect(closed).toHaveBeenCalledTimes(1);
  }
});

test("createStream drops what waits when its reader leaves, and answers a pending next", async () => {
  const { iterator, push } = createStream<number>(() => {});
  const pending = iterator.next();
  await iterator.return?.();
  push(1);
  expect(await pending).toEqual({ done: true, value: undefined });
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
});

test("a reader for whom too much waits gets what waited, then the error, and the writer is told", async () => {
  const closed = vi.fn<() => void>();
  const backlog = { weigh: (n: number) => n, most: 10, overflow: () => new Error("too slow") };
  const { iterator, push } = createStream<number>(closed, backlog);
  push(4);
  push(6);
  expect(await iterator.next()).toEqual({ done: false, value: 4 });
  push(4);
  expect(closed).not.toHaveBeenCalled();
  push(1);
  expect(closed).toHaveBeenCalledOnce();
  expect(await iterator.next()).toEqual({ done: false, value: 6 });
  expect(await iterator.next()).toEqual({ done: false, value: 4 });
  await expect(iterator.next()).rejects.toThrow("too slow");
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
});
