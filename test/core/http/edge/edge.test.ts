import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createAccess } from "../../../../core/http/edge/access.ts";
import { createBucket } from "../../../../core/http/edge/bucket.ts";
import { toGoDuration } from "../../../../core/http/edge/go-duration.ts";
import { configured, bearer } from "../../../fixtures/keyed-app.ts";

describe("createBucket", () => {
  test("never gives more than its limit and what has flowed in, whatever is taken when", () => {
    const steps = fc.array(
      fc.record({
        wait: fc.integer({ min: -5, max: 5000 }),
        amount: fc.integer({ min: 0, max: 30 }),
      }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 50 }), (taken, limit) => {
        let now = 0;
        let latest = 0;
        let given = 0;
        const bucket = createBucket(limit, 1000, () => now);
        for (const { wait, amount } of taken) {
          now += wait;
          latest = Math.max(latest, now);
          if (bucket.take(amount)) given += amount;
          expect(given).toBeLessThanOrEqual(limit + (latest * limit) / 1000 + 1e-6);
          expect(bucket.left()).toBeLessThanOrEqual(limit);
        }
      }),
    );
  });

  test("waitMs is exactly the wait after which take succeeds", () => {
    let now = 0;
    const bucket = createBucket(10, 1000, () => now);
    expect(bucket.take(10)).toBe(true);
    expect(bucket.waitMs(5)).toBe(500);
    now = 499;
    expect(bucket.take(5)).toBe(false);
    now = 500;
    expect(bucket.take(5)).toBe(true);
    expect(bucket.waitMs(11)).toBe(Infinity);
    bucket.put(-20);
    expect(bucket.left()).toBe(-20);
    expect(bucket.waitMs(10)).toBe(3000);
  });
});

test("toGoDuration writes what Go's ParseDuration reads", () => {
  const cases: [number, string][] = [
    [0, "0s"],
    [-5, "0s"],
    [120, "120ms"],
    [1000, "1s"],
    [1500, "1.5s"],
    [59_999.2, "1m0s"],
    [360_000, "6m0s"],
    [3_661_001, "1h1m1.001s"],
  ];
  for (const [milliseconds, text] of cases) expect(toGoDuration(milliseconds)).toBe(text);
});

describe("Access.update", () => {
  test("takes new keys and drops old ones; unchanged limits keep what was used of them", async () => {
    const limits = { requestsPerMinute: 2 };
    const user = await configured("user", { limits });
    const access = createAccess([user], () => 0);
    const admit = async (id: string) => access.admit(new Headers(bearer(id)), "inference");
    (await admit("user")).allowance.request();
    access.update([user, await configured("other")]);
    expect((await admit("user")).allowance.headers()["x-ratelimit-remaining-requests"]).toBe("1");
    expect((await admit("other")).id).toBe("other");
    access.update([{ ...user, limits: { requestsPerMinute: 5 } }]);
    expect((await admit("user")).allowance.headers()["x-ratelimit-remaining-requests"]).toBe("5");
    await expect(admit("other")).rejects.toThrow("not one of this server's");
    access.update(undefined);
    expect(access.admit(new Headers(), "admin").id).toBe("anyone");
  });

  test("the caller has its key's tenant and priority", async () => {
    const key = await configured("user", { tenant: "team", priority: 3 });
    const caller = createAccess([key], () => 0).admit(new Headers(bearer("user")), "inference");
    expect(caller).toMatchObject({ id: "user", tenant: "team", priority: 3 });
  });
});
