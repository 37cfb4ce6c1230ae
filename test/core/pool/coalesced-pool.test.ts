import { expect, test } from "vitest";
import { coalescePool } from "../../../core/pool/coalesced-pool.ts";
import { createFlights, type Flights } from "../../../core/pool/flights.ts";
import type { PoolEvent } from "../../../core/pool/pool.ts";
import type { Fetch } from "../../../core/pool/transport.ts";
import { createScriptedApp, type ScriptedApp } from "../../fixtures/scripted-app.ts";
import type { Script } from "../../fixtures/scripted-engine.ts";
import {
  ask,
  asked,
  caching,
  CHAT,
  contentOf,
  failing,
  full,
  open,
  type Rig,
  served,
  steady,
  streamedText,
  TEXT,
} from "../http/pool-rig.ts";

interface Fronts extends Rig {
  /** Isolates, as it were: each with a cache of its own, and all with one place to meet. */
  readonly fronts: readonly ScriptedApp[];
  readonly flights: Flights;
  readonly met: PoolEvent[];
  /** Questions that the place was asked. */
  readonly questions: () => number;
  /** What stands between the isolates and the place from now on. */
  readonly through: (other: Fetch | undefined) => void;
}

async function openFronts(
  scripts: readonly Script[],
  now = () => performance.now(),
): Promise<Fronts> {
  const rig = await open(scripts);
  const flights = createFlights(rig.pool, now);
  const met: PoolEvent[] = [];
  let questions = 0;
  let other: Fetch | undefined;
  const at: Fetch = async (url, init) => {
    questions++;
    return other === undefined
      ? await flights.fetch(new Request(url, init))
      : await other(url, init);
  };
  const fronts = [0, 1, 2].map(() =>
    createScriptedApp(undefined, {
      models: () => [],
      pool: coalescePool(rig.pool, {
        places: { count: 1, at: () => at },
        now,
        onEvent: (event) => met.push(event),
      }),
      caching: caching(Date.now, false),
    }),
  );
  return {
    ...rig,
    fronts,
    flights,
    met,
    questions: () => questions,
    through: (way) => (other = way),
  };
}

test("equal requests of two isolates are one computation, in pieces and whole", async () => {
  const { fronts, nodes, met, flights } = await openFronts([steady()]);
  const responses = await Promise.all(
    Array.from({ length: 10 }, (_, i) =>
      fronts[i % 2]!.post(CHAT, { ...ask, stream: i % 3 === 0 }),
    ),
  );
  const texts = await Promise.all(
    responses.map((response, i) => (i % 3 === 0 ? streamedText(response) : contentOf(response))),
  );
  expect(new Set(texts)).toEqual(new Set([TEXT]));
  expect(asked(nodes)).toEqual([1]);
  expect(met).toEqual(Array.from({ length: 9 }, () => "joined"));
  expect(served(responses[1]!)).toBe('pool;node="n0";why=no-model');
  expect(flights.count).toBe(0);
});

test("requests that differ in what they may have, or that are up to chance, do not meet", async () => {
  const { fronts, nodes, questions } = await openFronts([steady()]);
  await Promise.all([
    fronts[0]!.post(CHAT, ask).then(contentOf),
    fronts[1]!.post(CHAT, ask, { headers: { "cache-control": "no-cache" } }).then(contentOf),
    fronts[1]!.post(CHAT, ask, { headers: { "cache-control": "no-store" } }).then(contentOf),
    fronts[1]!.post(CHAT, { ...ask, temperature: 1 }).then(contentOf),
  ]);
  expect(asked(nodes)).toEqual([4]);
  expect(questions()).toBe(2);
});

test("an answer that is just over is read by those who missed it, and later no more", async () => {
  let time = 0;
  const { fronts, nodes } = await openFronts([steady()], () => time);
  expect(await contentOf(await fronts[0]!.post(CHAT, ask))).toBe(TEXT);
  time += 4000;
  expect(await contentOf(await fronts[1]!.post(CHAT, ask))).toBe(TEXT);
  expect(asked(nodes)).toEqual([1]);
  time += 2000;
  expect(await contentOf(await fronts[2]!.post(CHAT, ask))).toBe(TEXT);
  expect(asked(nodes)).toEqual([2]);
});

test("what the pool says of a request is said to whoever asked, and not asked again", async () => {
  const { fronts, nodes } = await openFronts([full]);
  const responses = await Promise.all([0, 1].map((i) => fronts[i]!.post(CHAT, ask)));
  expect(responses.map(({ status }) => status)).toEqual([429, 429]);
  // What a pool tries for one request.
  expect(asked(nodes)[0]).toBeLessThanOrEqual(4);
  const { fronts: direct } = await openFronts([failing("INTERNAL")]);
  expect((await direct[0]!.post(CHAT, ask)).status).toBe(500);
});

test("a place that breaks off in the middle is asked once more, and then the pool is asked directly", async () => {
  const { fronts, nodes, met, questions, through, flights } = await openFronts([steady()]);
  through(async (url, init) => {
    const { body, headers } = await flights.fetch(new Request(url, init));
    let lines = 0;
    const cut = new TransformStream<Uint8Array, Uint8Array>({
      transform(line, controller) {
        if (++lines > 4) controller.error(new Error("gone"));
        else controller.enqueue(line);
      },
    });
    return new Response(body!.pipeThrough(cut), { headers });
  });
  const response = await fronts[0]!.post(CHAT, { ...ask, stream: true });
  expect(await streamedText(response)).toBe(TEXT);
  expect(questions()).toBe(2);
  expect(met).toEqual(["flight_lost", "flight_lost"]);
  expect(asked(nodes)[0]).toBeLessThanOrEqual(3);
});

test("a place that answers nothing is passed over after five failures, and tried again after a pause", async () => {
  let time = 0;
  const { fronts, questions, through, met } = await openFronts([steady()], () => time);
  through(() => Promise.reject(new Error("no object")));
  const one = async (content: string) =>
    expect(
      await contentOf(
        await fronts[0]!.post(CHAT, { ...ask, messages: [{ role: "user", content }] }),
      ),
    ).toBe(TEXT);
  for (let i = 0; i < 8; i++) await one(`${i}`);
  expect(questions()).toBe(5);
  through(undefined);
  time += 1000;
  await one("again");
  await one("and again");
  expect(questions()).toBe(7);
  expect(met.filter((event) => event === "flight_lost")).toHaveLength(5);
});

test("a place that hangs is left behind, and a request's own time is kept", async () => {
  const { fronts, through } = await openFronts([steady()]);
  through(() => new Promise(() => {}));
  expect(await contentOf(await fronts[0]!.post(CHAT, ask))).toBe(TEXT);
  const late = await fronts[1]!.post(CHAT, ask, { headers: { "x-sirocco-timeout-ms": "20" } });
  expect(late.status).toBe(504);
});

test("a place that answers with something else costs nothing but that", async () => {
  const { fronts, through } = await openFronts([steady()]);
  for (const body of [
    "",
    "{}",
    "null\n",
    '{"end":true}\n',
    '{"head":{}}\n',
    "\u0000",
    "[".repeat(99),
  ]) {
    for (const type of ["text/html", "application/x-sirocco-events+ndjson"]) {
      through(async () => new Response(body, { headers: { "content-type": type } }));
      const content = `${body} ${type}`;
      const messages = [{ role: "user", content }];
      expect(await contentOf(await fronts[0]!.post(CHAT, { ...ask, messages }))).toBe(TEXT);
    }
  }
});

test("an object holds no more than it has room for; what is over makes room", async () => {
  const { flights, pool } = await openFronts([steady()]);
  const fingerprint = pool.models()[0]!.fingerprint;
  const send = (key: string, chars: number) =>
    flights.fetch(
      new Request("https://flights/answer", {
        method: "POST",
        body: JSON.stringify({
          key,
          path: CHAT,
          body: JSON.stringify(ask).padEnd(chars),
          headers: {},
          fingerprint,
          affinity: "",
          relay: { fingerprint, seed: 0 },
        }),
      }),
    );
  const large = await Promise.all([1, 2, 3, 4].map((i) => send(`${i}`, 1_000_000)));
  expect(large.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  expect((await send("5", 1_000_000)).status).toBe(503);
  await Promise.all(large.map((response) => response.text()));
  expect((await send("5", 1_000_000)).status).toBe(200);
});

test("a question that is none is refused", async () => {
  const { flights } = await openFronts([steady()]);
  const question = {
    key: "k",
    path: CHAT,
    body: "{}",
    headers: {},
    fingerprint: "fp",
    affinity: "",
    relay: { fingerprint: "fp", seed: 0 },
  };
  for (const body of [
    "",
    "[]",
    "null",
    "x".repeat(2 ** 21),
    ...Object.keys(question).map((name) => JSON.stringify({ ...question, [name]: null })),
    JSON.stringify({ ...question, path: "//elsewhere.example".slice(2) }),
    JSON.stringify({ ...question, headers: { a: 1 } }),
  ]) {
    const request = new Request("https://flights/answer", { method: "POST", body });
    expect((await flights.fetch(request)).status, body.slice(0, 80)).toBe(400);
  }
  expect(flights.count).toBe(0);
});
