import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChoiceEvent } from "../../../core/answer/several.ts";
import { createAnswerCache, type AnswerCache } from "../../../core/cache/answers.ts";
import { decodeRecord, encodeRecord, type CachedAnswer } from "../../../core/cache/entry.ts";
import { createMemoryStore } from "../../../core/cache/memory-store.ts";
import { createScope } from "../../../core/cache/scope.ts";
import type { CacheStore } from "../../../core/cache/store.ts";

const secret = new TextEncoder().encode("a secret of twenty bytes");
const head = {
  id: "chatcmpl-1",
  created: 1,
  model: "demo",
  fingerprint: "fp_1",
  promptTokens: 3,
};
const events: readonly ChoiceEvent[] = [
  { choice: 0, event: { type: "text", text: "Hello, wörld\u2028!", tokens: [] } },
  {
    choice: 0,
    event: {
      type: "done",
      reason: "stop",
      usage: { promptTokens: 3, cachedTokens: 0, completionTokens: 2 },
      timings: { firstTokenMs: 1.25, decodeMs: 2.5 },
    },
  },
];
let time = 1_000_000;

function open(
  stores: readonly CacheStore[] = [],
  more: { secret?: Uint8Array; epoch?: number } = {},
): AnswerCache {
  return createAnswerCache({
    secret,
    epoch: 1,
    stores,
    memoryBytes: 1e6,
    freshMs: 60_000,
    staleMs: 300_000,
    wallClock: () => time,
    now: () => time,
    random: () => 0.5,
    ...more,
  });
}

const kept = { head, events, tags: ["model:a"] };

describe("createAnswerCache", () => {
  test("gives an answer back as it was, from memory and from a store that another process shares", async () => {
    const store = createMemoryStore(1e6, () => time);
    const one = open([store]);
    const asker = one.asker("tenant");
    const keys = [asker.scope.tokenKey({ a: 1 }), asker.scope.requestKey({ a: 1 })];
    await one.keep(asker, keys, { ...kept, begunAt: time });
    for (const key of keys) expect(one.atHand(asker, key)?.answer).toMatchObject({ head, events });

    const other = open([store]);
    for (const key of keys) {
      const hit = await other.find(other.asker("tenant"), key);
      expect(hit?.answer).toMatchObject({ head, events });
    }
    expect((await other.find(other.asker("tenant"), keys[1]!))?.from).toBe("memory");
  });

  test("a hit below fills the tiers above it", async () => {
    const near = createMemoryStore(1e6, () => time);
    const far = createMemoryStore(1e6, () => time);
    const writer = open([far]);
    const asker = writer.asker("t");
    const key = asker.scope.tokenKey(1);
    await writer.keep(asker, [key], { ...kept, begunAt: time });
    const reader = open([near, { ...far, name: "far" }]);
    expect((await reader.find(reader.asker("t"), key))?.from).toBe("far");
    expect(await near.get(key)).toEqual(await far.get(key));
  });

  test("another tenant, salt, epoch or secret finds nothing, not even under the same key", async () => {
    const store = createMemoryStore(1e6, () => time);
    const cache = open([store]);
    const asker = cache.asker("tenant", "salt");
    const key = asker.scope.tokenKey("x");
    await cache.keep(asker, [key], { ...kept, begunAt: time });
    const otherEpoch = open([store], { epoch: 2 });
    const otherSecret = open([store], { secret: new Uint8Array(32) });
    for (const [where, who] of [
      [cache, cache.asker("other", "salt")],
      [otherEpoch, otherEpoch.asker("tenant", "salt")],
      [otherSecret, otherSecret.asker("tenant", "salt")],
    ] as const) {
      expect(who.scope.tokenKey("x")).not.toBe(key);
      expect(await where.find(who, key)).toBeUndefined();
    }
    expect(cache.asker("tenant").scope.tokenKey("x")).not.toBe(key);
    // A key under which a store has another's record: it is not believed, and is thrown away.
    expect(await store.get(key)).toBeUndefined();
  });

  test("no two of many partitions share a key", () => {
    const keys = new Set<string>();
    const names = ["a", "b", "", "a\u0000", "A", "ä", "a|b", '["a"]'];
    for (const tenant of names)
      for (const salt of [undefined, ...names])
        for (const epoch of [0, 1]) {
          const scope = createScope(secret, {
            tenant,
            epoch,
            ...(salt === undefined ? {} : { salt }),
          });
          keys.add(scope.tokenKey("x")).add(scope.requestKey("x")).add(scope.seal('"x"'));
        }
    expect(keys.size).toBe(names.length * (names.length + 1) * 2 * 3);
  });

  test("a record that was changed in any byte, cut or moved is absent", async () => {
    const scope = createScope(secret, { tenant: "t", epoch: 1 });
    const record: CachedAnswer = {
      key: "t1.k",
      tenant: "t",
      tags: [],
      storedAt: 1,
      freshMs: 1,
      head,
      events,
    };
    const bytes = encodeRecord(record, scope);
    const expected = { key: "t1.k", tenant: "t" };
    expect(decodeRecord(bytes, scope, expected)).toEqual(record);
    expect(decodeRecord(bytes, scope, { ...expected, key: "t1.l" })).toBeUndefined();
    expect(decodeRecord(bytes, scope, { ...expected, tenant: "u" })).toBeUndefined();
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = bytes.slice();
        changed[at]! ^= change;
        expect(decodeRecord(changed, scope, expected)).toBeUndefined();
        expect(decodeRecord(bytes.subarray(0, at), scope, expected)).toBeUndefined();
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(fc.uint8Array(), (noise) => decodeRecord(noise, scope, expected) === undefined),
    );
  });

  test("what was purged is absent, and so is what was being computed meanwhile; later answers are not", async () => {
    const store = createMemoryStore(1e6, () => time);
    const cache = open([store]);
    const other = open([store]);
    const asker = cache.asker("t");
    const keep = (name: string, begunAt: number) =>
      cache.keep(asker, [asker.scope.tokenKey(name)], { ...kept, begunAt });
    const found = async (where: AnswerCache, name: string) =>
      (await where.find(where.asker("t"), asker.scope.tokenKey(name))) !== undefined;
    await keep("early", time);
    expect(await found(other, "early")).toBe(true);
    const begun = time;
    time += 10;
    await cache.purges.purge("model:a");
    expect(await found(cache, "early")).toBe(false);
    time += 2000;
    await keep("meanwhile", begun);
    await keep("later", time);
    expect([
      await found(cache, "early"),
      await found(cache, "meanwhile"),
      await found(cache, "later"),
    ]).toEqual([false, false, true]);
    expect([await found(other, "early"), await found(other, "later")]).toEqual([false, true]);
  });

  test("an entry is there until its time is over, and forgotten when told to", async () => {
    const store = createMemoryStore(1e6, () => time);
    const cache = open([store]);
    const asker = cache.asker("t");
    const key = asker.scope.tokenKey("e");
    await cache.keep(asker, [key], { ...kept, begunAt: time });
    time += 359_999;
    expect(await cache.find(asker, key)).toBeDefined();
    time += 1;
    expect(await cache.find(asker, key)).toBeUndefined();
    await cache.keep(asker, [key], { ...kept, begunAt: time });
    await cache.forget(key);
    expect(await cache.find(asker, key)).toBeUndefined();
  });

  test("bytes of a response are made once", async () => {
    const cache = open();
    const asker = cache.asker("t");
    const key = asker.scope.tokenKey("r");
    await cache.keep(asker, [key], { ...kept, begunAt: time });
    let made = 0;
    const render = () =>
      cache.atHand(asker, key)!.rendered("json", () => ({ body: String(++made), headers: {} }));
    expect(render()).toBe(render());
    expect(made).toBe(1);
  });
});
