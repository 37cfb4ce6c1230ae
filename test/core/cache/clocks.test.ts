import { describe, expect, test } from "vitest";
import { createAnswerCache, type AnswerCache } from "../../../core/cache/answers.ts";
import { createMemoryStore } from "../../../core/cache/memory-store.ts";
import type { CacheStore } from "../../../core/cache/store.ts";

/** What the cache does when the wall clock does what it should not. */

const HOUR_MS = 3_600_000;
const FRESH_MS = 60_000;
const STALE_MS = 300_000;

/** A clock that tells the time, and one that only runs. */
function createClocks() {
  return {
    wall: 1_790_000_000_000,
    running: 0,
    /** Time goes by. */
    pass(milliseconds: number): void {
      this.wall += milliseconds;
      this.running += milliseconds;
    },
  };
}

type Clocks = ReturnType<typeof createClocks>;

function open(clocks: Clocks, stores: readonly CacheStore[] = []): AnswerCache {
  return createAnswerCache({
    secret: new TextEncoder().encode("a secret of twenty bytes"),
    epoch: 1,
    stores,
    memoryBytes: 1e6,
    freshMs: FRESH_MS,
    staleMs: STALE_MS,
    wallClock: () => clocks.wall,
    now: () => clocks.running,
    random: () => 0.5,
  });
}

const head = { id: "1", created: 1, model: "m", fingerprint: "fp_1", promptTokens: 3 };
const kept = { head, events: [], tags: ["model:a"] };

async function keepOne(cache: AnswerCache, begunAt: number): Promise<string> {
  const asker = cache.asker("t");
  const key = asker.scope.tokenKey(1);
  await cache.keep(asker, [key], { ...kept, begunAt });
  return key;
}

describe("an answer in memory", () => {
  for (const [name, step] of [
    ["steps back an hour", -HOUR_MS],
    ["steps back a second", -1000],
    ["stands still", -FRESH_MS],
  ] as const) {
    test(`ages although the clock ${name}`, async () => {
      const clocks = createClocks();
      const cache = open(clocks);
      const key = await keepOne(cache, clocks.wall);
      const asker = cache.asker("t");
      clocks.wall += step;
      clocks.pass(FRESH_MS);
      const hit = cache.atHand(asker, key);
      expect(cache.ageOf(hit!.answer)).toBe(FRESH_MS);
      clocks.pass(STALE_MS - 1);
      expect(cache.atHand(asker, key)).toBeDefined();
      clocks.running += 1;
      expect(cache.atHand(asker, key)).toBeUndefined();
    });
  }

  test("is over, and not as good as new, when the clock jumps an hour ahead", async () => {
    const clocks = createClocks();
    const cache = open(clocks);
    const key = await keepOne(cache, clocks.wall);
    clocks.wall += HOUR_MS;
    expect(cache.atHand(cache.asker("t"), key)).toBeUndefined();
    expect(await cache.find(cache.asker("t"), key)).toBeUndefined();
  });
});

test("what a store got from a clock an hour ahead is not believed, and leaves it", async () => {
  const clocks = createClocks();
  const store = createMemoryStore(1e6, () => clocks.running);
  clocks.wall += HOUR_MS;
  const key = await keepOne(open(clocks, [store]), clocks.wall);
  clocks.wall -= HOUR_MS;
  const reader = open(clocks, [store]);
  expect(await store.get(key)).toBeDefined();
  expect(await reader.find(reader.asker("t"), key)).toBeUndefined();
  expect(await store.get(key)).toBeUndefined();
});

test("machines may differ by some seconds, and an answer lives no longer for that", async () => {
  const clocks = createClocks();
  const store = createMemoryStore(1e6, () => clocks.running);
  clocks.wall += 20_000;
  const key = await keepOne(open(clocks, [store]), clocks.wall);
  clocks.wall -= 20_000;
  const reader = open(clocks, [store]);
  const hit = await reader.find(reader.asker("t"), key);
  expect(reader.ageOf(hit!.answer)).toBe(0);
  clocks.pass(FRESH_MS + STALE_MS);
  expect(await reader.find(reader.asker("t"), key)).toBeUndefined();
});

test("what is purged after the clock stepped back stays so when it has caught up", async () => {
  const clocks = createClocks();
  const store = createMemoryStore(1e6, () => clocks.running);
  const cache = open(clocks, [store]);
  const key = await keepOne(cache, clocks.wall);
  clocks.wall -= HOUR_MS;
  await cache.purges.purge("model:a");
  expect(await cache.find(cache.asker("t"), key)).toBeUndefined();
  clocks.wall += HOUR_MS + 1;
  expect(await cache.find(cache.asker("t"), key)).toBeUndefined();
  expect(await keepOne(cache, clocks.wall)).toBe(key);
  expect(cache.atHand(cache.asker("t"), key)).toBeDefined();
});

test("another process's purge is heard although the clock stands still", async () => {
  const clocks = createClocks();
  const store = createMemoryStore(1e6, () => clocks.running);
  const [one, other] = [open(clocks, [store]), open(clocks, [store])];
  const key = await keepOne(one, clocks.wall);
  expect(one.atHand(one.asker("t"), key)).toBeDefined();
  await other.purges.purge("model:a");
  clocks.running += 1000;
  expect(await one.find(one.asker("t"), key)).toBeUndefined();
});
