import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AnswerEvent } from "../../../core/answer/answer.ts";
import { shareAnswer, type SharedAnswer } from "../../../core/cache/shared-answer.ts";

const text = (i: number): AnswerEvent => ({ type: "text", text: `${i} `, tokens: [] });
const never = new AbortController().signal;

/** A computation of `count` events that can be watched, and fails where it is told to. */
function computation(count: number, failAt: readonly number[] = []) {
  const seen = { starts: 0, produced: 0, returned: 0, aborted: 0 };
  let settled: readonly AnswerEvent[] | undefined | "not yet" = "not yet";
  const shared = shareAnswer({
    async *start(signal) {
      const failing = failAt[seen.starts++];
      signal.addEventListener("abort", () => seen.aborted++);
      try {
        for (let i = 0; i < count; i++) {
          await Promise.resolve();
          if (i === failing) throw new Error(`lost at ${i}`);
          seen.produced++;
          yield text(i);
        }
      } finally {
        seen.returned++;
      }
    },
    retry: (_, attempt) => attempt < 3,
    settled: (events) => (settled = events === undefined ? undefined : [...events]),
  });
  return { shared, seen, settled: () => settled };
}

async function all(shared: SharedAnswer<AnswerEvent>, signal = never): Promise<AnswerEvent[]> {
  const events: AnswerEvent[] = [];
  for await (const event of shared.read(signal)) events.push(event);
  return events;
}

const whole = (count: number) => Array.from({ length: count }, (_, i) => text(i));

describe("shareAnswer", () => {
  test("computes once for a thousand readers, who all get everything", async () => {
    const { shared, seen, settled } = computation(20);
    const read = await Promise.all(Array.from({ length: 1000 }, () => all(shared)));
    for (const events of read) expect(events).toEqual(whole(20));
    expect(seen).toMatchObject({ starts: 1, produced: 20 });
    expect(settled()).toEqual(whole(20));
  });

  test("whoever joins late gets what is past, then what comes", async () => {
    const { shared, seen } = computation(10);
    const first = shared.read(never);
    for (let i = 0; i < 6; i++) await first.next();
    expect(seen.produced).toBe(6);
    expect(await all(shared)).toEqual(whole(10));
    // The reader who stopped reading held up nobody and has lost nothing.
    expect((await first.next()).value).toEqual(text(6));
  });

  test("nothing is computed that nobody reads", async () => {
    const { shared, seen } = computation(10);
    const reader = shared.read(never);
    await reader.next();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(seen.produced).toBe(1);
    await reader.return();
  });

  test("the first reader may leave; with the last one it ends", async () => {
    const { shared, seen, settled } = computation(10);
    const leader = new AbortController();
    const first = shared.read(leader.signal);
    const second = shared.read(never);
    await first.next();
    leader.abort();
    await expect(first.next()).rejects.toThrow("The client left");
    expect(shared.readers).toBe(1);
    expect((await second.next()).value).toEqual(text(0));
    expect((await second.next()).value).toEqual(text(1));
    await second.return();
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(seen).toMatchObject({ aborted: 1, returned: 1 });
    expect(settled()).toBeUndefined();
  });

  test("a reader who leaves before reading anything counts as gone", async () => {
    const { shared, settled } = computation(3);
    await shared.read(never).return();
    expect(shared.readers).toBe(0);
    expect(settled()).toBeUndefined();
  });

  test("each reader has its own deadline, and none ends with another's", async () => {
    const gate = Promise.withResolvers<void>();
    let aborted = false;
    const shared = shareAnswer<AnswerEvent>({
      async *start(signal) {
        signal.addEventListener("abort", () => (aborted = true));
        yield text(0);
        await gate.promise;
        yield text(1);
      },
      retry: () => false,
      settled: () => {},
    });
    const leader = shared.read(never, 20);
    const patient = shared.read(never, 60_000);
    const any = all(shared);
    expect((await leader.next()).value).toEqual(text(0));
    await expect(leader.next()).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(shared.readers).toBe(2);
    gate.resolve();
    expect((await patient.next()).value).toEqual(text(0));
    expect((await patient.next()).value).toEqual(text(1));
    expect((await patient.next()).done).toBe(true);
    expect(await any).toEqual(whole(2));
    expect(aborted).toBe(false);
  });

  test("with the last reader's time what is computed ends", async () => {
    let aborted = false;
    const shared = shareAnswer<AnswerEvent>({
      async *start(signal) {
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        aborted = true;
        yield text(0);
      },
      retry: () => false,
      settled: () => {},
    });
    const readers = [shared.read(never, 5), shared.read(never, 15)];
    for (const reader of readers)
      await expect(reader.next()).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(aborted).toBe(true);
    expect(shared.readers).toBe(0);
  });

  test("a reader slower than its deadline still gets what was complete by then", async () => {
    const { shared } = computation(5);
    const slow = shared.read(never, 10);
    await all(shared);
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (let i = 0; i < 5; i++) expect((await slow.next()).value).toEqual(text(i));
    expect((await slow.next()).done).toBe(true);
  });

  test("where computing fails it is begun again, and nobody sees a thing twice or never", async () => {
    const { shared, seen } = computation(10, [4, 7]);
    const [one, two] = await Promise.all([all(shared), all(shared)]);
    expect(one).toEqual(whole(10));
    expect(two).toEqual(whole(10));
    expect(seen.starts).toBe(3);
  });

  test("where it fails for good everybody hears of it, after what there was", async () => {
    const { shared, settled } = computation(10, [5, 2, 3]);
    const readers = [shared.read(never), shared.read(never)];
    for (const reader of readers) {
      for (let i = 0; i < 5; i++) expect((await reader.next()).value).toEqual(text(i));
      await expect(reader.next()).rejects.toThrow("lost at 3");
    }
    expect(settled()).toBeUndefined();
  });

  test("any mixture of readers who come, read and leave gets what it reads in order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.record({ reads: fc.nat(12), leaves: fc.boolean() }), {
          minLength: 1,
          maxLength: 8,
        }),
        async (s, plans) => {
          const { shared } = computation(10);
          const anchor = all(shared);
          const readers = plans.map(async ({ reads, leaves }) => {
            await s.schedule(Promise.resolve());
            const reader = shared.read(never);
            const got: AnswerEvent[] = [];
            for (let i = 0; i < reads; i++) {
              const next = await reader.next();
              if (next.done !== true) got.push(next.value);
              await s.schedule(Promise.resolve());
            }
            expect(got).toEqual(whole(10).slice(0, reads));
            if (leaves) await reader.return();
          });
          await s.waitFor(Promise.all(readers));
          expect(await anchor).toEqual(whole(10));
        },
      ),
      { numRuns: 50 },
    );
  });
});
