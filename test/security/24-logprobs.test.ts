import { describe, expect, test } from "vitest";
import { createAccess } from "../../core/http/edge/access.ts";
import { caching, CHAT, open, steady } from "../core/http/pool-rig.ts";
import { bearer, configured, createKeyedApp } from "../fixtures/keyed-app.ts";
import { createScriptedApp } from "../fixtures/scripted-app.ts";

const messages = [{ role: "user", content: "hi" }];

/** Every way to ask for log-probabilities: path, body, headers, and the field that an error names. */
const WAYS: readonly (readonly [string, object, Record<string, string>, string])[] = [
  [CHAT, { messages, logprobs: true }, {}, "logprobs"],
  [CHAT, { messages, logprobs: true, top_logprobs: 5, stream: true }, {}, "logprobs"],
  [CHAT, { messages }, { "x-sirocco-receipt": "1" }, "x-sirocco-receipt"],
  ["/v1/completions", { prompt: "hi", logprobs: 0 }, {}, "logprobs"],
  ["/v1/completions", { prompt: "hi", logprobs: 5 }, {}, "logprobs"],
  ["/v1/responses", { input: "hi", top_logprobs: 3 }, {}, "logprobs"],
  ["/v1/responses", { input: "hi", include: ["message.output_text.logprobs"] }, {}, "logprobs"],
  ["/api/chat", { messages, logprobs: true }, {}, "logprobs"],
  ["/api/generate", { prompt: "hi", logprobs: true, top_logprobs: 2 }, {}, "logprobs"],
];

const answer = async (response: Response) => ({
  status: response.status,
  text: await response.text(),
});

describe("24 log-probabilities are for keys that may have them", () => {
  test.each(WAYS)("%s with %j and %j", async (path, body, headers, param) => {
    const asked = { model: "m", ...body };
    const keys = [
      await configured("user"),
      await configured("other", { scopes: ["inference", "logprobs"] }),
    ];
    const { post, engine } = createKeyedApp(keys);
    const refused = await post(path, asked, { headers: { ...headers, ...bearer("user") } });
    expect(await answer(refused)).toMatchObject({
      status: 403,
      text: expect.stringContaining(`'${param}'`),
    });
    expect(engine.requests).toHaveLength(0);

    const given = await post(path, asked, { headers: { ...headers, ...bearer("other") } });
    expect(await answer(given)).toMatchObject({
      status: 200,
      text: expect.stringContaining("logprob"),
    });
    // Where there are no keys everybody may do everything.
    expect((await createScriptedApp().post(path, asked, { headers })).status).toBe(200);
  });

  test("an answer that is kept is no way around it, even for keys of one tenant", async () => {
    const keys = [
      await configured("user", { tenant: "team" }),
      await configured("other", { tenant: "team", scopes: ["inference", "logprobs"] }),
    ];
    const { app, post } = createKeyedApp(keys, { reply: "hello" }, { caching: caching() });
    const asked = { model: "m", messages, temperature: 0, logprobs: true };
    for (let i = 0; i < 2; i++)
      expect((await post(CHAT, asked, { headers: bearer("other") })).status).toBe(200);
    const { headers } = await post(CHAT, asked, { headers: bearer("other") });
    expect(headers.get("cache-status")).toContain("hit");
    expect((await post(CHAT, asked, { headers: bearer("user") })).status).toBe(403);
    // The way that needs no objects of the fetch standard.
    const body = new TextEncoder().encode(JSON.stringify(asked));
    const kept = (key: string) =>
      app.lane
        ?.open({
          method: "POST",
          url: `http://localhost${CHAT}`,
          headers: new Headers({ "content-type": "application/json", ...bearer(key) }),
        })
        ?.answer(body);
    expect(kept("other")?.body).toContain("logprob");
    expect(kept("user")).toBeUndefined();
  });

  test("nor is a request that says that it was passed on, whose answers come with what ranks them", async () => {
    const keys = [
      await configured("plain"),
      await configured("pool", { scopes: ["inference", "relay"] }),
    ];
    const nodeDeps = { access: createAccess(keys, () => performance.now()) };
    const behind = (key: string) => open([steady(), steady()], { key, nodeDeps });
    const asked = { model: "m", prompt: "hi", best_of: 2, max_tokens: 5 };
    const [plain, relaying] = [await behind("sk-plain"), await behind("sk-pool")];
    // More often than a node may fail: what its key may not have says nothing about the node.
    for (let i = 0; i < 7; i++)
      expect((await plain.edge.post("/v1/completions", asked)).status).toBe(503);
    expect(plain.nodes.flatMap(({ engine }) => engine.requests)).toEqual([]);
    expect(plain.logs).toEqual([]);
    expect((await plain.edge.post(CHAT, { model: "m", messages })).status).toBe(200);
    expect((await relaying.edge.post("/v1/completions", asked)).status).toBe(200);
  });
});
