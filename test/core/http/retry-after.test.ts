import { expect, test } from "vitest";
import { retryAfterSeconds } from "../../../core/http/retry-after.ts";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";

/** Of one engine. */
function waitFor(rowsAhead: number, rowsPerSecond: number, random = 0): number {
  return retryAfterSeconds([{ rowsAhead, rowsPerSecond }], random);
}

test("a client comes back when what is ahead is done, by the speed of late", () => {
  expect(waitFor(900, 100)).toBe(9);
  const engines = [
    { rowsAhead: 100, rowsPerSecond: 100 },
    { rowsAhead: 100, rowsPerSecond: 5 },
  ];
  expect(retryAfterSeconds(engines, 0)).toBe(20);
});

test("those refused together do not come back together", () => {
  expect([0, 0.5, 1].map((random) => waitFor(800, 20, random))).toEqual([40, 30, 20]);
});

test("a wait is between a second and a minute, whatever is known", () => {
  expect(waitFor(0, 0)).toBe(1);
  expect(waitFor(5000, 0)).toBe(1);
  expect(waitFor(1, 1000, 1)).toBe(1);
  expect(waitFor(1e9, 1)).toBe(60);
  // Also the longest is spread.
  expect(waitFor(1e9, 1, 1)).toBe(30);
  expect(retryAfterSeconds([], 0.5)).toBe(1);
});

test("a full queue's refusal carries it", async () => {
  const { post } = createScriptedApp({
    reply: "x",
    failAt: { index: 0, error: "QUEUE_FULL" },
    stats: { rowsAhead: 4000, rowsPerSecond: 100 },
  });
  const response = await post("/v1/chat/completions", {
    model: "m",
    messages: [{ role: "user", content: "hello" }],
  });
  expect(response.status).toBe(429);
  const seconds = Number(response.headers.get("retry-after"));
  expect(seconds).toBeGreaterThanOrEqual(20);
  expect(seconds).toBeLessThanOrEqual(40);
  const milliseconds = Number(response.headers.get("retry-after-ms"));
  expect(Math.ceil(milliseconds / 1000)).toBe(seconds);
});
