import { readFileSync } from "node:fs";
import { Miniflare } from "miniflare";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type ServerProcess } from "../fixtures/cli.ts";
import { bundle } from "../runtimes/bundle.ts";

/** Three isolates in workerd in front of one server that keeps nothing: two of them meet, one is on its own. */

const MODEL = "sirocco-demo.q8_0";
let node: ServerProcess;
let workers: Miniflare;
let meeting: readonly URL[];
let lone: URL;

beforeAll(async () => {
  node = await startServer(["--threads", "1", "--parallel", "4"]);
  const contents = readFileSync(await bundle("test/edge/flights-worker.js", "worker"), "utf8");
  const worker = (name: string, meets: boolean) => ({
    name,
    modules: [{ type: "ESModule" as const, path: "worker.js", contents }],
    compatibilityDate: "2026-07-01",
    compatibilityFlags: ["enable_request_signal"],
    bindings: { POOL: node.url },
    unsafeDirectSockets: [{ port: 0 }],
    ...(meets ? { durableObjects: { FLIGHTS: { className: "Flights", scriptName: "a" } } } : {}),
  });
  workers = new Miniflare({
    workers: [worker("a", true), worker("b", true), worker("c", false)],
    cf: false,
  });
  await workers.ready;
  meeting = [await workers.unsafeGetDirectURL("a"), await workers.unsafeGetDirectURL("b")];
  lone = await workers.unsafeGetDirectURL("c");
}, 60_000);

afterAll(async () => {
  await workers?.dispose();
  await node?.stop();
});

const ask = (url: URL, content: string, more: object = {}, signal?: AbortSignal) =>
  fetch(new URL("/v1/chat/completions", url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: MODEL,
      messages: [{ role: "user", content }],
      temperature: 0,
      max_tokens: 64,
      stream: true,
      logit_bias: { 2: -100 },
      ...more,
    }),
    ...(signal === undefined ? {} : { signal }),
  });

/** A stream without what each answer has of its own: its id, its time, and comments while nothing came. */
const bytesOf = async (response: Response): Promise<string> =>
  (await response.text()).replaceAll(/"(id|created)":("[^"]*"|\d+)|^:.*\n\n/gm, "");

/** Answers that the server has begun, by how they ended. */
async function computed(): Promise<number> {
  const text = await (await fetch(`${node.url}/metrics`)).text();
  return [...text.matchAll(/^vllm:request_success_total\{[^}]*\} (\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

async function running(): Promise<number> {
  const text = await (await fetch(`${node.url}/metrics`)).text();
  return Number(/^vllm:num_requests_running\{[^}]*\} (\d+)$/m.exec(text)?.[1] ?? NaN);
}

/** Events of a pool in all isolates that meet. */
async function poolEvents(event: string): Promise<number> {
  const texts = await Promise.all(
    meeting.map(async (url) => (await fetch(new URL("/metrics", url))).text()),
  );
  const line = new RegExp(`^sirocco_pool_events_total\\{event="${event}"\\} (\\d+)$`, "gm");
  const counts = [...texts.join("\n").matchAll(line)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

test("200 equal requests to two isolates are one computation, and all get the same bytes", async () => {
  // Both isolates and an object are there.
  for (const url of meeting) await bytesOf(await ask(url, "Who is there?", { max_tokens: 1 }));
  const before = await computed();
  const all = await Promise.all(
    Array.from({ length: 200 }, async (_, i) =>
      bytesOf(await ask(meeting[i % 2]!, "One for all", { max_tokens: 16 })),
    ),
  );
  const answered = all.filter((text) => text.includes("[DONE]"));
  expect(new Set(answered).size).toBe(1);
  // On a machine so busy that an object seems to hang some ask by themselves, for which there may be no room.
  const lost = await poolEvents("flight_lost");
  expect(answered.length).toBeGreaterThanOrEqual(200 - lost);
  expect((await computed()) - before).toBeLessThanOrEqual(1 + lost);
  // The others joined, or came so late that the answer was kept already.
  expect(await poolEvents("joined")).toBeGreaterThan(0);
}, 30_000);

test("without objects each request is computed", async () => {
  const before = await computed();
  const all = await Promise.all(
    Array.from({ length: 4 }, async () => bytesOf(await ask(lone, "Each by itself"))),
  );
  expect(new Set(all).size).toBe(1);
  expect((await computed()) - before).toBeGreaterThanOrEqual(4);
}, 30_000);

test("who comes later has what was said before, and the first one's leaving stops nobody", async () => {
  const before = await computed();
  const lost = await poolEvents("flight_lost");
  const leaving = new AbortController();
  const long = { max_tokens: 600 };
  const first = await ask(meeting[0]!, "Stay with me", long, leaving.signal);
  const reader = first.body!.getReader();
  for (let i = 0; i < 5; i++) expect((await reader.read()).done).toBe(false);
  const second = await ask(meeting[1]!, "Stay with me", long);
  leaving.abort();
  const text = await bytesOf(second);
  expect(text).toContain("[DONE]");
  expect(text).toBe(await bytesOf(await ask(lone, "Stay with me", long)));
  // Not by each of the two; a busy machine may have lost one of them.
  expect((await computed()) - before).toBeLessThanOrEqual(
    2 + (await poolEvents("flight_lost")) - lost,
  );
}, 30_000);

test("the server is free when the last reader has left", async () => {
  const leaving = new AbortController();
  const responses = await Promise.all(
    meeting.map((url) => ask(url, "Nobody waits", { max_tokens: 1900 }, leaving.signal)),
  );
  await Promise.all(responses.map(async ({ body }) => await body!.getReader().read()));
  expect(await running()).toBeGreaterThan(0);
  leaving.abort();
  await expect.poll(running, { timeout: 10_000 }).toBe(0);
}, 30_000);

test("an object that dies in the middle is followed by another, and nobody notices", async () => {
  const before = await computed();
  await fetch(new URL("/objects/fuse", meeting[0]));
  const lost = await poolEvents("flight_lost");
  const all = new Set(
    await Promise.all(
      Array.from({ length: 10 }, async (_, i) =>
        bytesOf(await ask(meeting[i % 2]!, "Life goes on")),
      ),
    ),
  );
  expect(all.size).toBe(1);
  expect([...all][0]).toBe(await bytesOf(await ask(lone, "Life goes on")));
  expect((await poolEvents("flight_lost")) - lost).toBeGreaterThan(0);
  // By the object that died, perhaps, by the one that follows, and by the lone isolate; not by each of them.
  expect((await computed()) - before).toBeLessThanOrEqual(5);
}, 60_000);

test("an object that hangs costs its coalescing and nothing else", async () => {
  await fetch(new URL("/objects/freeze", meeting[0]));
  const lost = await poolEvents("flight_lost");
  const all = await Promise.all(
    Array.from({ length: 3 }, async () =>
      bytesOf(await ask(meeting[0]!, "Still here", { max_tokens: 8 })),
    ),
  );
  await fetch(new URL("/objects/thaw", meeting[0]));
  expect(new Set(all).size).toBe(1);
  expect(all[0]).toContain("[DONE]");
  expect((await poolEvents("flight_lost")) - lost).toBe(3);
}, 60_000);
