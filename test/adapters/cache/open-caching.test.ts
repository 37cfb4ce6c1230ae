import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openCaching, type CachingOptions } from "../../../adapters/node/cache/open-caching.ts";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";
import { hasRedis, startRedis } from "./redis-server.ts";

const ask = { model: "m", temperature: 0, messages: [{ role: "user", content: "Hello" }] };

/** A server of its own that keeps answers as told: what it answered, and whether it had to compute. */
async function answerOnce(options: CachingOptions): Promise<{ text: string; computed: boolean }> {
  const caching = await openCaching(options);
  const { post, engine } = createScriptedApp({ reply: "Hello there" }, { caching });
  // A store that is far away is connected in the background.
  await new Promise((resolve) => setTimeout(resolve, 150));
  const text = await (await post("/v1/chat/completions", ask)).text();
  await caching.close();
  return { text, computed: engine.requests.length > 0 };
}

describe("openCaching", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sirocco-caching-"));
  });
  afterAll(() => rm(directory, { recursive: true }));

  test("in memory, an answer lives as long as its process", async () => {
    expect((await answerOnce({ stores: ["memory"] })).computed).toBe(true);
    expect((await answerOnce({ stores: ["memory"] })).computed).toBe(true);
  });

  test("in a file it outlives it; the secret beside it is for its owner only", async () => {
    const path = join(directory, "answers.db");
    const stores = [`sqlite:${path}`];
    const first = await answerOnce({ stores });
    const second = await answerOnce({ stores });
    expect([first.computed, second.computed]).toEqual([true, false]);
    expect(second.text).toBe(first.text);
    expect((await stat(`${path}.secret`)).mode & 0o777).toBe(0o600);
    // Who does not have the secret finds nothing.
    expect((await answerOnce({ stores, secret: "another secret of ours" })).computed).toBe(true);
  });

  test.skipIf(!hasRedis())(
    "on a Redis server it is there for all that know the secret",
    async () => {
      const server = await startRedis();
      const options = { stores: [server.url], secret: "a secret that is shared" };
      try {
        const first = await answerOnce(options);
        const second = await answerOnce(options);
        expect([first.computed, second.computed]).toEqual([true, false]);
        expect(second.text).toBe(first.text);
      } finally {
        await server.close();
      }
    },
  );

  test("says what is wrong with what names no store, and that sharing takes a secret", async () => {
    await expect(openCaching({ stores: ["disk"] })).rejects.toThrow(/memory, sqlite:FILE or redis/);
    await expect(openCaching({ stores: ["redis://127.0.0.1:1"] })).rejects.toThrow(
      /SIROCCO_CACHE_SECRET/,
    );
    await expect(openCaching({ stores: ["memory"], secret: "short" })).rejects.toThrow(/16/);
  });
});
