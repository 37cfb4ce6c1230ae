import { describe, expect, test } from "vitest";
import { NO_DIRECTIVES, type CacheDirectives } from "../../../core/cache/directives.ts";
import { mayUse, type Use } from "../../../core/cache/freshness.ts";

const limits = { whileRevalidateMs: 60_000, ifErrorMs: 300_000 };
const use = (ageSeconds: number, freshSeconds: number, asked: Partial<CacheDirectives> = {}): Use =>
  mayUse(ageSeconds * 1000, freshSeconds * 1000, { ...NO_DIRECTIVES, ...asked }, limits);

describe("mayUse", () => {
  test("by age: fresh, then with a refresh, then only where computing fails, then not", () => {
    expect([0, 99, 100, 159, 160, 400, 401].map((age) => use(age, 100))).toEqual([
      "fresh",
      "fresh",
      "stale-while-revalidate",
      "stale-while-revalidate",
      "only-on-error",
      "only-on-error",
      "no",
    ]);
  });

  test("a request narrows what it takes", () => {
    expect(use(10, 100, { maxAge: 10 })).toBe("fresh");
    expect(use(11, 100, { maxAge: 10 })).toBe("only-on-error");
    expect(use(110, 100, { maxAge: 200 })).toBe("only-on-error");
    expect(use(50, 100, { minFresh: 50 })).toBe("fresh");
    expect(use(50, 100, { minFresh: 51 })).toBe("only-on-error");
    expect(use(0, 100, { noCache: true })).toBe("only-on-error");
    expect(use(0, 100, { noCache: true, staleIfError: 0 })).toBe("only-on-error");
    expect(use(110, 100, { maxAge: 0, staleIfError: 0 })).toBe("no");
    expect(use(350, 100, { staleIfError: 249 })).toBe("no");
  });

  test("max-stale widens it", () => {
    expect(use(300, 100, { maxStale: 200 })).toBe("fresh");
    expect(use(301, 100, { maxStale: 200 })).toBe("only-on-error");
    expect(use(500, 100, { staleIfError: 400 })).toBe("only-on-error");
  });
});
