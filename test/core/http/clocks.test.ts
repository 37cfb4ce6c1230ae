import { afterEach, expect, test, vi } from "vitest";
import { bearer, configured, createKeyedApp } from "../../fixtures/keyed-app.ts";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";

/** Durations, limits and speeds when the wall clock does what it should not. */

const CHAT = "/v1/chat/completions";
const START = 1_790_000_000_000;
const HOUR_MS = 3_600_000;
const hello = { model: "m", messages: [{ role: "user", content: "hi" }] };

/** Each look at it tells another time: an hour ahead, an hour back, the same again. */
function createMadClock(): () => number {
  const steps = [0, HOUR_MS, -HOUR_MS, -HOUR_MS, -HOUR_MS - 1000, 2 * HOUR_MS, 0];
  let looks = 0;
  return () => START + steps[looks++ % steps.length]!;
}

afterEach(() => {
  vi.restoreAllMocks();
});

/** Long enough to be measured. */
function soon(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2));
}

/** An application in which nobody finds a sane wall clock. */
function createMadApp() {
  const wallClock = createMadClock();
  vi.spyOn(Date, "now").mockImplementation(wallClock);
  return createScriptedApp({ reply: "abcdefgh", pace: soon }, { wallClock });
}

test("durations and tokens per second are those of the monotonic clock", async () => {
  const { post, logs } = createMadApp();
  const began = performance.now();
  const response = await post(CHAT, hello);
  const { timings } = (await response.json()) as { timings: Readonly<Record<string, number>> };
  const generate = { model: "m", prompt: "hi", stream: false };
  const ollama = (await (await post("/api/generate", generate)).json()) as {
    total_duration: number;
    eval_duration: number;
  };
  const most = performance.now() - began;
  expect(response.status).toBe(200);
  for (const duration of [
    Number(response.headers.get("openai-processing-ms")),
    timings["predicted_ms"],
    ollama.total_duration / 1e6,
    ollama.eval_duration / 1e6,
    logs[0]?.["duration_ms"],
  ]) {
    expect(duration).toBeGreaterThan(0);
    expect(duration).toBeLessThanOrEqual(most);
  }
  expect(timings["predicted_per_second"]).toBeGreaterThan(1000 / most);
});

test("metrics count no hour that nobody waited, and none that runs backwards", async () => {
  const { post, get } = createMadApp();
  for (let i = 0; i < 3; i++) expect((await post(CHAT, hello)).status).toBe(200);
  const text = await (await get("/metrics")).text();
  const sums = [...text.matchAll(/^([\w:]+_seconds_sum)(?:\{[^}]*\})? (\S+)$/gm)];
  expect(sums.length).toBeGreaterThan(3);
  for (const [, name, sum] of sums) {
    expect(Number(sum), name).toBeGreaterThanOrEqual(0);
    expect(Number(sum), name).toBeLessThan(60);
  }
});

test("a limit of requests is not filled again by a clock that jumps", async () => {
  const wallClock = createMadClock();
  vi.spyOn(Date, "now").mockImplementation(wallClock);
  const limits = { requestsPerMinute: 2 };
  const { post } = createKeyedApp([await configured("user", { limits })], undefined, { wallClock });
  const statuses: number[] = [];
  for (let i = 0; i < 9; i++) {
    statuses.push((await post(CHAT, hello, { headers: bearer("user") })).status);
  }
  expect(statuses).toEqual([200, 200, 429, 429, 429, 429, 429, 429, 429]);
});
