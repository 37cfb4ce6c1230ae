import { describe, expect, test } from "vitest";
import { createMemoryStore } from "../../../core/cache/memory-store.ts";
import { createPurges } from "../../../core/cache/purges.ts";
import type { CacheStore } from "../../../core/cache/store.ts";

const KEEP_MS = 60_000;
/** More than are kept one by one. */
const MANY = 10_050;

function open(store?: CacheStore) {
  const clock = { time: 1000 };
  const now = () => clock.time;
  const purges = createPurges({
    keepMs: KEEP_MS,
    latest: now,
    now,
    ...(store === undefined ? {} : { store }),
  });
  const purgeMany = async (count: number) => {
    for (let i = 0; i < count; i++) {
      clock.time += 1;
      await purges.purge(`tag:${i}`);
    }
  };
  return { clock, purges, purgeMany };
}

describe("marks of purges", () => {
  test("there may be any number of: what was purged stays so, and what came later is not touched", async () => {
    const { clock, purges, purgeMany } = open();
    await purgeMany(MANY);
    for (const i of [0, 1, 49, 50, MANY - 1])
      expect(await purges.covers([`tag:${i}`], 1000 + i), `tag:${i}`).toBe(true);
    // The fifty that became one hold for every tag, up to the time of the last of them.
    expect(purges.coversNow(["never purged"], 1000 + 50)).toBe(true);
    expect(purges.coversNow(["never purged"], 1000 + 51)).toBe(false);
    expect(purges.coversNow(["tag:0"], clock.time)).toBe(false);
  });

  test("are let go of when nothing so old can be left, and then cost no answers of other tags", async () => {
    const { clock, purges, purgeMany } = open();
    await purgeMany(MANY / 2);
    clock.time += KEEP_MS + 1;
    await purgeMany(MANY - 100);
    expect(purges.coversNow(["never purged"], 1)).toBe(false);
    expect(purges.coversNow([`tag:${MANY - 101}`], clock.time)).toBe(true);
  });

  test("hold where the store lost them, however many tags were looked up since", async () => {
    const lossy: CacheStore = { ...createMemoryStore(1e6, () => 0), put: async () => {} };
    const { clock, purges } = open(lossy);
    await purges.purge("model:a");
    const storedAt = clock.time;
    for (let i = 0; i < MANY; i++) await purges.covers([`other:${i}`], storedAt);
    expect(await purges.covers(["model:a"], storedAt)).toBe(true);
  });

  test("of others are heard of again after their tag was forgotten here", async () => {
    const store = createMemoryStore(1e7, () => 0);
    const [one, other] = [open(store), open(store)];
    await one.purges.purge("model:a");
    expect(await other.purges.covers(["model:a"], 1000)).toBe(true);
    for (let i = 0; i < MANY; i++) await other.purges.covers([`other:${i}`], 1000);
    expect(other.purges.coversNow(["model:a"], 1000)).toBeUndefined();
    expect(await other.purges.covers(["model:a"], 1000)).toBe(true);
  });
});
