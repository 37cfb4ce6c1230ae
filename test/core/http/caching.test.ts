import { beforeEach, describe, expect, test } from "vitest";
import { createMemoryStore } from "../../../core/cache/memory-store.ts";
import type { AnswerCaching, AppDeps } from "../../../core/http/deps.ts";
import { createAccess } from "../../../core/http/edge/access.ts";
import { hashKey } from "../../../core/http/edge/key-hash.ts";
import { answersInMemory } from "../../fixtures/kept-answers.ts";
import { createScriptedApp, type ScriptedApp } from "../../fixtures/scripted-app.ts";
import type { Script } from "../../fixtures/scripted-engine.ts";

const CHAT = "/v1/chat/completions";
const ask = { model: "m", temperature: 0, messages: [{ role: "user", content: "Hello" }] };
const toBytes = (text: string): number[] => [...new TextEncoder().encode(text)];

let time = 0;
let tasks: Promise<unknown>[] = [];
const settled = async () => {
  while (tasks.length > 0) await Promise.all(tasks.splice(0));
};
beforeEach(() => {
  time = 1_790_000_000_000;
  tasks = [];
});

const store = () => createMemoryStore(1e6, () => time);

function caching(more: Partial<AnswerCaching> = {}, stores = [store()]): AnswerCaching {
  return {
    answers: answersInMemory({ stores, wallClock: () => time, now: () => time }),
    stale: { whileRevalidateMs: 60_000, ifErrorMs: 300_000 },
    verifyOneIn: 0,
    wallClock: () => time,
    background: (work) => void tasks.push(work),
    ...more,
  };
}

const reply = (prompt: readonly number[]) => [
  ...toBytes(`You said ${prompt.length} tokens, wörld`),
  257,
];

/** Timings differ from one computation to the next. */
const timeless = (text: string) => text.replaceAll(/"timings":\{[^}]*\}/g, "");

function open(script: Script = {}, more: Partial<AppDeps> = {}): ScriptedApp {
  return createScriptedApp({ reply, ...script }, { caching: caching(), ...more });
}

/** Resolves when no request has a slot any more. */
async function idle({ engine }: ScriptedApp): Promise<void> {
  for (let i = 0; engine.busy() > 0; i++) {
    if (i > 1000) throw new Error(`${engine.busy()} slots are still taken`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const status = (response: Response) => response.headers.get("cache-status");
const metric = async ({ get }: ScriptedApp, name: string) =>
  (await (await get("/metrics")).text()).split("\n").filter((line) => line.startsWith(name));

describe("answers that are kept", () => {
  test("a hit is the miss byte for byte, whole or streamed, whichever was first", async () => {
    const forms = [
      ask,
      { ...ask, stream: true },
      { ...ask, stream: true, stream_options: { include_usage: true } },
    ];
    for (const first of forms) {
      const app = open();
      const texts = new Map<string, string>();
      for (const body of [first, ...forms, ...forms]) {
        const response = await app.post(CHAT, body);
        const form = JSON.stringify(body);
        const text = await response.text();
        expect(text).toBe(texts.get(form) ?? text);
        texts.set(form, text);
        await settled();
      }
      expect(app.engine.requests).toHaveLength(1);
      // All say the same id: they are one answer.
      const ids = new Set([...texts.values()].flatMap((text) => text.match(/chatcmpl-\w+/g) ?? []));
      expect(ids.size).toBe(1);
    }
  });

  test("what computing would have streamed is what a kept whole answer streams", async () => {
    const kept = open();
    await kept.post(CHAT, ask);
    await settled();
    const streamed = await (await kept.post(CHAT, { ...ask, stream: true })).text();
    const computed = await (await open().post(CHAT, { ...ask, stream: true })).text();
    expect(timeless(streamed)).toBe(timeless(computed));
  });

  test("says what it did, and how old an answer is", async () => {
    const app = open();
    const miss = await app.post(CHAT, ask);
    expect([status(miss), miss.headers.get("age")]).toEqual(["sirocco; fwd=miss", null]);
    await settled();
    time += 20_500;
    const hit = await app.post(CHAT, ask);
    expect(status(hit)).toBe("sirocco; hit; ttl=39; detail=memory");
    expect(hit.headers.get("age")).toBe("20");
    expect(hit.headers.get("cache-control")).toBe("private, max-age=39");
    expect(hit.headers.get("etag")).toMatch(/^"[\w-]{16}"$/);
    expect(await metric(app, "sirocco_cache_requests_total")).toEqual([
      'sirocco_cache_requests_total{result="miss"} 1',
      'sirocco_cache_requests_total{result="hit"} 1',
    ]);
  });

  test("the same tokens in other words are the same request", async () => {
    const app = open();
    await app.post(CHAT, ask);
    await settled();
    const parts = {
      ...ask,
      user: "someone",
      messages: [{ role: "user", content: [{ type: "text", text: "Hello" }] }],
    };
    expect(status(await app.post(CHAT, parts))).toContain("hit");
    // This template writes a newline behind each turn.
    const same = { ...ask, messages: [{ role: "user", content: "Hel\nuser: lo" }] };
    const other = {
      ...ask,
      messages: [
        { role: "user", content: "Hel" },
        { role: "user", content: "lo" },
      ],
    };
    await app.post(CHAT, same);
    await settled();
    expect(status(await app.post(CHAT, other))).toContain("hit");
    await settled();
    expect(status(await app.post(CHAT, other))).toContain("hit");
    expect(app.engine.requests).toHaveLength(2);
  });

  test("keeps nothing that chance, another call or an abrupt end had a hand in", async () => {
    const app = open();
    const { temperature: _, ...sampled } = ask;
    const cases: [object, string][] = [
      [sampled, "sirocco; fwd=bypass; detail=sampled"],
      [{ ...ask, n: 2 }, "sirocco; fwd=bypass; detail=several-choices"],
    ];
    for (const [body, expected] of cases) {
      for (let i = 0; i < 2; i++) expect(status(await app.post(CHAT, body))).toBe(expected);
    }
    const seeded = { ...sampled, seed: 7 };
    await app.post(CHAT, seeded);
    await settled();
    expect(status(await app.post(CHAT, seeded))).toContain("hit");
    expect(status(await app.post(CHAT, { ...seeded, seed: 8 }))).toContain("miss");

    const failing = open({ failAt: { index: 3, error: "INTERNAL" } });
    for (let i = 0; i < 2; i++) {
      const response = await failing.post(CHAT, ask);
      expect(response.status).toBe(500);
      await settled();
    }
  });

  test("whoever leaves alone leaves nothing behind", async () => {
    const app = open({ pace: () => new Promise((resolve) => setTimeout(resolve, 5)) });
    const controller = new AbortController();
    const response = await app.post(CHAT, { ...ask, stream: true }, { signal: controller.signal });
    const reader = response.body!.getReader();
    await reader.read();
    controller.abort();
    await reader.read().catch(() => {});
    await settled();
    await idle(app);
    expect(status(await app.post(CHAT, ask))).toBe("sirocco; fwd=miss");
  });

  test("directives of the request are honoured", async () => {
    const app = open();
    const send = (directives: string, body: object = ask) =>
      app.post(CHAT, body, { headers: { "cache-control": directives } });
    const none = await send("only-if-cached");
    expect(none.status).toBe(504);
    expect(((await none.json()) as { error: { code: string } }).error.code).toBe("not_cached");
    expect(app.engine.requests).toHaveLength(0);
    expect(status(await send("no-store"))).toBe("sirocco; fwd=request; detail=no-store");
    await settled();
    expect(status(await send(""))).toBe("sirocco; fwd=miss");
    await settled();
    expect(status(await send("only-if-cached"))).toContain("hit");
    expect(status(await send("no-cache"))).toBe("sirocco; fwd=request");
    await settled();
    time += 10_000;
    expect(status(await send("max-age=10"))).toContain("hit");
    expect(status(await send("max-age=9"))).toBe("sirocco; fwd=stale");
  });

  test("a stale answer is given while one request computes it again", async () => {
    const app = open();
    await app.post(CHAT, ask);
    await settled();
    time += 60_000 + 1000;
    const stale = await Promise.all(Array.from({ length: 10 }, () => app.post(CHAT, ask)));
    expect(status(stale[0]!)).toBe("sirocco; hit; ttl=-1; detail=memory");
    // How many come before the answer is there anew is the runtime's affair.
    for (const response of stale) expect(status(response)).toMatch(/^sirocco; hit; ttl=(-1|60);/);
    await settled();
    expect(app.engine.requests).toHaveLength(2);
    expect(status(await app.post(CHAT, ask))).toBe("sirocco; hit; ttl=60; detail=memory");
  });

  test("where computing fails a stale answer serves, unless the request says how stale is too stale", async () => {
    let fails = false;
    const script: Script = {
      pace() {
        if (fails) throw new Error("out of order");
      },
    };
    const app = open(script);
    await app.post(CHAT, ask);
    await settled();
    time += 60_000 + 100_000;
    fails = true;
    const response = await app.post(CHAT, ask);
    expect([response.status, status(response)]).toEqual([
      200,
      "sirocco; hit; ttl=-100; detail=memory",
    ]);
    const strict = await app.post(CHAT, ask, { headers: { "cache-control": "stale-if-error=99" } });
    expect(strict.status).toBe(500);
  });

  test("an answer that computes otherwise than it was kept is counted, logged and thrown away", async () => {
    let said = "one";
    const app = open(
      { reply: () => [...toBytes(said), 257] },
      { caching: caching({ verifyOneIn: 2 }), now: () => 0 },
    );
    const askAgain = async () => {
      await app.post(CHAT, ask);
      await settled();
    };
    for (let i = 0; i < 5; i++) await askAgain();
    expect(app.engine.requests).toHaveLength(3);
    expect(await metric(app, "sirocco_cache_verifi")).toEqual([
      "sirocco_cache_verifications_total 2",
    ]);
    said = "two";
    for (let i = 0; i < 2; i++) await askAgain();
    expect(await metric(app, "sirocco_cache_verification_mismatch")).toEqual([
      "sirocco_cache_verification_mismatch_total 1",
    ]);
    expect(app.logs.filter(({ event }) => event === "cache_mismatch")).toHaveLength(1);
    expect(status(await app.post(CHAT, ask))).toBe("sirocco; fwd=miss");
  });

  test("verifying takes a fiftieth of the engine's time at most, however many hits there are", async () => {
    let clock = 0;
    const app = open(
      {
        reply: () => {
          clock += 10;
          return [...toBytes("yes"), 257];
        },
      },
      { caching: caching({ verifyOneIn: 2 }), now: () => clock },
    );
    const computedAfter = async (hits: number): Promise<number> => {
      for (let i = 0; i < hits; i++) {
        await app.post(CHAT, ask);
        await settled();
      }
      return app.engine.requests.length;
    };
    expect(await computedAfter(1)).toBe(1);
    // One is verified, which takes 10 ms, and then none for 500 ms.
    expect(await computedAfter(20)).toBe(2);
    clock += 499;
    expect(await computedAfter(20)).toBe(2);
    clock += 1;
    expect(await computedAfter(1)).toBe(3);
  });

  test("another process answers from the store that they share", async () => {
    const shared = store();
    const one = open({}, { caching: caching({}, [shared]) });
    const text = await (await one.post(CHAT, ask)).text();
    await settled();
    const two = open({}, { caching: caching({}, [shared]) });
    for (const body of [ask, { ...ask, user: "x" }]) {
      const response = await two.post(CHAT, body);
      expect(status(response)).toContain("hit");
      expect(await response.text()).toBe(text);
    }
    expect(two.engine.requests).toHaveLength(0);
  });
});

describe("tenants", () => {
  test("never share an answer, nor a computation", async () => {
    const keys = await Promise.all(
      ["a", "b"].map(async (id) => ({
        id,
        hash: await hashKey(`key-of-${id}`),
        scopes: ["inference" as const],
      })),
    );
    const app = open({}, { access: createAccess(keys, () => performance.now()) });
    const as = (id: string) =>
      app.post(CHAT, ask, { headers: { authorization: `Bearer key-of-${id}` } });
    await Promise.all([as("a"), as("b")]);
    await settled();
    expect(app.engine.requests).toHaveLength(2);
    for (const id of ["a", "b"]) expect(status(await as(id))).toContain("hit");
    expect(app.engine.requests).toHaveLength(2);
  });
});

describe("identical requests at once", () => {
  test("a thousand of them are computed once, and all get the same bytes", async () => {
    const app = open({ pace: () => Promise.resolve() });
    const responses = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => app.post(CHAT, { ...ask, stream: i % 2 === 0 })),
    );
    const texts = await Promise.all(responses.map((response) => response.text()));
    expect(app.engine.requests).toHaveLength(1);
    expect(new Set(texts.filter((_, i) => i % 2 === 0)).size).toBe(1);
    expect(new Set(texts.filter((_, i) => i % 2 === 1)).size).toBe(1);
    expect(
      responses.filter((response) => /collapsed|hit/.test(status(response) ?? "")),
    ).toHaveLength(999);
  });

  test("the first one's leaving stops nobody; its slot is freed when the last one leaves", async () => {
    const app = open({ pace: () => new Promise((resolve) => setTimeout(resolve, 2)) });
    const controllers = Array.from({ length: 5 }, () => new AbortController());
    const responses = await Promise.all(
      controllers.map(({ signal }) => app.post(CHAT, { ...ask, stream: true }, { signal })),
    );
    await responses[0]!.body!.getReader().read();
    controllers[0]!.abort();
    const whole = await responses[1]!.text();
    expect(whole).toContain("[DONE]");
    expect(await responses[2]!.text()).toBe(whole);
    expect(app.engine.requests).toHaveLength(1);

    const others = { ...ask, messages: [{ role: "user", content: "Bye" }] };
    const leaving = Array.from({ length: 3 }, () => new AbortController());
    const pending = await Promise.all(
      leaving.map(({ signal }) => app.post(CHAT, { ...others, stream: true }, { signal })),
    );
    for (const response of pending) await response.body!.getReader().read();
    for (const controller of leaving) controller.abort();
    await idle(app);
  });

  test("a leader that fails is replaced: those who wait hear nothing of it", async () => {
    let attempts = 0;
    const app = open({
      pace(index) {
        if (index === 0) attempts++;
        if (index === 5 && attempts === 1) throw new Error("lost");
        return Promise.resolve();
      },
    });
    const texts = await Promise.all(
      Array.from({ length: 8 }, async () =>
        (await app.post(CHAT, { ...ask, stream: true })).text(),
      ),
    );
    expect(attempts).toBe(2);
    expect(new Set(texts).size).toBe(1);
    expect(texts[0]).toContain("[DONE]");
    expect(texts[0]).not.toContain("error");
  });
});
