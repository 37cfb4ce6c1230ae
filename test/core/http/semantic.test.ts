import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Embedder } from "../../../core/cache/semantic/embedder.ts";
import { createSemanticAnswers } from "../../../core/cache/semantic/semantic-answers.ts";
import type { AnswerCaching } from "../../../core/http/deps.ts";
import { createAccess } from "../../../core/http/edge/access.ts";
import { keptAnswers } from "../../fixtures/kept-answers.ts";
import { bearer, configured } from "../../fixtures/keyed-app.ts";
import { createScriptedApp, type ScriptedApp } from "../../fixtures/scripted-app.ts";
import { createWordEmbedder } from "../../fixtures/word-embedder.ts";
import { CHAT, open as openPool } from "./pool-rig.ts";

const reply = (prompt: readonly number[]) => [
  ...new TextEncoder().encode(`You said ${prompt.length} tokens`),
  257,
];
const asks = (content: string, more: object = {}) => ({
  model: "m",
  temperature: 0,
  messages: [{ role: "user", content }],
  ...more,
});
const QUESTION = "What is the capital of France?";
const SAME = "Hello! What is the capital of France, please?";
const OTHER = "What is the capital of Spain?";

let time = 0;
let tasks: Promise<unknown>[] = [];
const settled = async () => {
  while (tasks.length > 0) await Promise.all(tasks.splice(0));
};
beforeEach(() => {
  tasks = [];
  time = 1_790_000_000_000;
});
afterEach(settled);

const now = () => time;

async function caching(embedder: Embedder = createWordEmbedder()): Promise<AnswerCaching> {
  const semantic = createSemanticAnswers({ embedder: () => embedder, paths: [CHAT], now });
  await semantic.prove();
  return keptAnswers(tasks, { semantic, verifyOneIn: 1 }, now);
}

const open = async (embedder?: Embedder): Promise<ScriptedApp> =>
  createScriptedApp({ reply }, { caching: await caching(embedder), now: () => time });
const status = (response: Response) => response.headers.get("cache-status");
const entryOf = (response: Response) => response.headers.get("x-sirocco-semantic-entry");
const metric = async ({ get }: ScriptedApp, name: string) =>
  (await (await get("/metrics")).text()).split("\n").filter((line) => line.startsWith(name));

/** Ask, and wait until what is kept is kept. */
async function say({ post }: ScriptedApp, body: object, headers: Record<string, string> = {}) {
  const response = await post(CHAT, body, { headers });
  const text = await response.text();
  await settled();
  return { response, text };
}

describe("an answer by meaning", () => {
  test("is the answer to the same question in other words, and says so", async () => {
    const app = await open();
    const first = await say(app, asks(QUESTION));
    expect(status(first.response)).toBe("sirocco; fwd=miss");
    const { response, text } = await say(app, asks(SAME));
    expect(status(response)).toBe("sirocco; hit; ttl=60; detail=semantic");
    const { id } = JSON.parse(first.text) as { id: string };
    expect(entryOf(response)).toBe(`${id}; similarity=1.0000`);
    expect(text).toBe(first.text);
    expect(app.engine.requests).toHaveLength(1);
    // Its own words are still answered as they are, which is disclosed to nobody.
    const exact = await say(app, asks(QUESTION));
    expect(status(exact.response)).toBe("sirocco; hit; ttl=60; detail=memory");
    expect(entryOf(exact.response)).toBeNull();
    expect(await metric(app, "sirocco_cache_requests_total")).toEqual([
      'sirocco_cache_requests_total{result="miss"} 1',
      'sirocco_cache_requests_total{result="semantic"} 1',
      'sirocco_cache_requests_total{result="hit"} 1',
    ]);
  });

  test("streams where a stream is asked for, as the same bytes as a stream of its own words", async () => {
    const app = await open();
    await say(app, asks(QUESTION));
    const own = await say(app, asks(QUESTION, { stream: true }));
    const other = await say(app, asks(SAME, { stream: true }));
    expect(status(other.response)).toContain("detail=semantic");
    expect(other.text).toBe(own.text);
  });

  test("is none where something else differs: every other field, the system prompt, the tenant", async () => {
    const app = await open();
    await say(app, asks(QUESTION));
    const others = [
      asks(OTHER),
      asks(SAME, { max_tokens: 7 }),
      asks(SAME, { stop: ["x"] }),
      asks(SAME, { response_format: { type: "json_object" } }),
      asks(SAME, { temperature: 1, seed: 3 }),
      asks(SAME, { logprobs: true }),
      { ...asks(SAME), messages: [{ role: "system", content: "s" }, ...asks(SAME).messages] },
      {
        ...asks(SAME),
        messages: [
          { role: "user", content: "Hi" },
          { role: "assistant", content: "Hi" },
          ...asks(SAME).messages,
        ],
      },
    ];
    for (const body of others) {
      const { response } = await say(app, body);
      expect(status(response), JSON.stringify(body)).toBe("sirocco; fwd=miss");
    }
  });

  test("is none on other paths, for who wants its own words, and where the cache is not to be asked", async () => {
    const app = await open();
    await say(app, asks(QUESTION));
    expect(status((await say(app, asks(SAME), { "x-sirocco-semantic": "off" })).response)).toBe(
      "sirocco; fwd=miss",
    );
    const polite = `Please, ${QUESTION}`;
    expect(status((await say(app, asks(polite), { "cache-control": "no-cache" })).response)).toBe(
      "sirocco; fwd=request",
    );
    const message = { ...asks(SAME), max_tokens: 50 };
    expect(status(await app.post("/v1/messages", message))).toBe("sirocco; fwd=miss");
  });

  test("is refused to what is near and asks something else, and why is counted", async () => {
    const app = await open();
    await say(app, asks("Is Ruby better than Perl?"));
    const { response } = await say(app, asks("Is Perl better than Ruby?"));
    expect(status(response)).toBe("sirocco; fwd=miss");
    expect(await metric(app, 'sirocco_semantic_refusals_total{reason="order"}')).toEqual([
      'sirocco_semantic_refusals_total{reason="order"} 1',
    ]);
    expect(await metric(app, 'sirocco_semantic_lookups_total{result="refused"}')).toEqual([
      'sirocco_semantic_lookups_total{result="refused"} 1',
    ]);
  });

  test("never crosses tenants", async () => {
    const keys = await Promise.all(["user", "other"].map((id) => configured(id)));
    const access = createAccess(keys, () => time);
    const app = createScriptedApp({ reply }, { caching: await caching(), access });
    await say(app, asks(QUESTION), bearer("user"));
    expect(status((await say(app, asks(SAME), bearer("other"))).response)).toBe(
      "sirocco; fwd=miss",
    );
    const polite = asks(`Please, ${QUESTION}`);
    expect(status((await say(app, polite, bearer("user"))).response)).toContain("semantic");
  });

  test("is given by a front without a model, for what its pool answered", async () => {
    const { edge, nodes } = await openPool([{ reply }], {
      deps: { caching: await caching(), now },
    });
    const first = await say(edge, asks(QUESTION));
    const { response, text } = await say(edge, asks(SAME));
    expect(status(response)).toBe("sirocco; hit; ttl=60; detail=semantic");
    expect(text).toBe(first.text);
    expect(nodes[0]!.engine.requests).toHaveLength(1);
  });

  test("is gone with the answer that it was: purged, too old, or evicted", async () => {
    const app = await open();
    await say(app, asks(QUESTION));
    time += 60_001;
    // A stale answer is for its own words.
    expect(status((await say(app, asks(SAME))).response)).toBe("sirocco; fwd=miss");
    time += 400_000;
    await say(app, asks(QUESTION));
    const hit = await say(app, asks(`Please, ${QUESTION}`));
    expect(status(hit.response)).toContain("semantic");
    const id = entryOf(hit.response)!.split(";")[0]!;
    const evict = () =>
      app.app.fetch(
        new Request(`http://localhost/admin/semantic-cache/${id}`, { method: "DELETE" }),
      );
    expect(await (await evict()).json()).toEqual({ id, evicted: true });
    expect((await evict()).status).toBe(404);
    expect(status((await say(app, asks(`Hi, ${QUESTION}`))).response)).toBe("sirocco; fwd=miss");
  });

  test("that was false is not given again, whoever computes the question anew", async () => {
    const app = await open();
    const { text } = await say(app, asks(QUESTION));
    const { id } = JSON.parse(text) as { id: string };
    await app.app.fetch(
      new Request(`http://localhost/admin/semantic-cache/${id}`, { method: "DELETE" }),
    );
    time += 400_000;
    await say(app, asks(QUESTION));
    expect(status((await say(app, asks(SAME))).response)).toBe("sirocco; fwd=miss");
  });

  test("is evicted by whoever administers, and by nobody else", async () => {
    const keys = await Promise.all([
      configured("user"),
      configured("admin", { scopes: ["admin"] }),
    ]);
    const access = createAccess(keys, () => time);
    const app = createScriptedApp({ reply }, { caching: await caching(), access });
    const send = (headers: Record<string, string>) =>
      app.app.fetch(
        new Request("http://localhost/admin/semantic-cache/none", { method: "DELETE", headers }),
      );
    expect((await send({})).status).toBe(401);
    expect((await send(bearer("user"))).status).toBe(403);
    expect((await send(bearer("admin"))).status).toBe(404);
  });

  test("is none before the embedder is proved, where it failed, and where no vector comes", async () => {
    const blind = await open({ name: "blind", embed: async () => Float32Array.of(1, 0) });
    await say(blind, asks(QUESTION));
    expect(status((await say(blind, asks(SAME))).response)).toBe("sirocco; fwd=miss");
    expect(await metric(blind, "sirocco_semantic_cache_on")).toEqual([
      "sirocco_semantic_cache_on 0",
    ]);

    let broken = false;
    const words = createWordEmbedder();
    const lame = await open({
      name: "lame",
      embed: (text, options) =>
        broken ? Promise.reject(new Error("no room")) : words.embed(text, options),
    });
    await say(lame, asks(QUESTION));
    broken = true;
    expect(status((await say(lame, asks(SAME))).response)).toBe("sirocco; fwd=miss");
    expect(await metric(lame, 'sirocco_semantic_lookups_total{result="no-vector"}')).toEqual([
      'sirocco_semantic_lookups_total{result="no-vector"} 1',
    ]);
  });

  test("makes one vector for equal questions at one time", async () => {
    let embeds = 0;
    const words = createWordEmbedder();
    const app = await open({
      name: "counting",
      embed(text, options) {
        embeds++;
        return words.embed(text, options);
      },
    });
    const before = embeds;
    await Promise.all(Array.from({ length: 50 }, () => app.post(CHAT, asks(QUESTION))));
    expect(embeds - before).toBe(1);
    expect(app.engine.requests).toHaveLength(1);
  });
});
