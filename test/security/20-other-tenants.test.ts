import { describe, expect, test } from "vitest";
import { collect, createRig, request } from "../core/engine/rig.ts";
import { bearer, configured, createKeyedApp } from "../fixtures/keyed-app.ts";
import { keptAnswers } from "../fixtures/kept-answers.ts";

const CHAT = "/v1/chat/completions";
const ask = { model: "m", temperature: 0, messages: [{ role: "user", content: "hi" }] };

describe("20 an answer that is kept is its tenant's (more: test/core/http/caching)", () => {
  test("the same request of another tenant is a miss, whatever it says of itself", async () => {
    const tasks: Promise<unknown>[] = [];
    const keys = [await configured("user"), await configured("other")];
    const caching = keptAnswers(tasks);
    const { post, engine } = createKeyedApp(keys, { reply: "secret" }, { caching });
    const status = async (
      key: string,
      body: object,
      headers: Record<string, string> = {},
    ): Promise<string> => {
      const response = await post(CHAT, body, { headers: { ...headers, ...bearer(key) } });
      await response.text();
      await Promise.all(tasks);
      return response.headers.get("cache-status") ?? "";
    };
    // None of these says whose request it is.
    const claims = [
      {},
      { user: "user" },
      { metadata: { tenant: "user" } },
      { prompt_cache_key: "user" },
    ];
    for (const [i, claim] of claims.entries()) {
      const body = { ...ask, messages: [{ role: "user", content: `hi ${i}` }], ...claim };
      await status("user", body);
      // Nor does a status tell under which key it is kept.
      expect(await status("user", body)).toMatch(/^sirocco; hit; ttl=60; detail=memory$/);
      expect(await status("other", body, { "x-sirocco-tenant": "user" })).not.toContain("hit");
    }
    expect(engine.requests.filter(({ tenant }) => tenant === "other")).toHaveLength(claims.length);
  });
});

describe("22 what a prompt costs does not tell whether another tenant has sent it (more: test/core/engine/prefix-cache)", () => {
  const secret = Array.from({ length: 40 }, (_, i) => (i * 7 + 3) % 50);

  /** Rows and steps that a guess of the prompt takes: its time, by a clock that nothing disturbs. */
  async function costOf(guess: readonly number[], before: readonly string[]) {
    const { engine } = createRig({ blockSize: 4, blocks: 200 });
    for (const tenant of before) await collect(engine, request(secret, { tenant, maxTokens: 1 }));
    const { rows, steps } = engine.stats();
    const { events } = await collect(engine, request(guess, { tenant: "guesser", maxTokens: 1 }));
    const after = engine.stats();
    await engine.close();
    return {
      rows: after.rows - rows,
      steps: after.steps - steps,
      cached: events[0]?.cachedTokens,
    };
  }

  test("a right guess takes as many rows and steps as a wrong one", async () => {
    const wrong = secret.map((token) => (token + 1) % 50);
    const unknown = await costOf(secret, ["elsewhere"]);
    expect(unknown).toEqual(await costOf(wrong, ["elsewhere"]));
    expect(unknown).toEqual(await costOf(secret, []));
    // Its own prompt is another matter, or nothing was shown.
    expect((await costOf(secret, ["guesser"])).rows).toBeLessThan(unknown.rows);
  });
});
