import { describe, expect, test } from "vitest";
import { createSemanticAnswers } from "../../core/cache/semantic/semantic-answers.ts";
import { KEY_SCOPES } from "../../core/http/edge/access.ts";
import { caching } from "../core/http/pool-rig.ts";
import { bearer, configured, createKeyedApp } from "../fixtures/keyed-app.ts";
import { createScriptedApp } from "../fixtures/scripted-app.ts";

/** What anybody may ask without a key: probes, and the page with its program, which hold no data. */
const PUBLIC = [
  "/livez",
  "/healthz",
  "/readyz",
  "/health",
  "/ready",
  "/startupz",
  "/",
  "/browser/:path{.+}",
];
const semantic = createSemanticAnswers({ embedder: () => undefined, paths: [], now: () => 0 });
/** With every route that there can be. */
const DEPS = { browserCode: new Map(), caching: { ...caching(), semantic } };

/** A path that the route answers. */
const concrete = (path: string) => path.replace(/:\w+(\{[^}]*\})?/g, "m");
const passes = (status: number) => status !== 401 && status !== 403;
const routes = createScriptedApp({}, DEPS).app.routes.filter(({ method }) => method !== "ALL");

describe("15 no side door without a key", () => {
  test("every route of the router names its scope, and only probes and the page are public", () => {
    expect(routes.length).toBeGreaterThan(10);
    expect(
      createScriptedApp({}, DEPS).app.routes.filter(({ scope }) => scope === undefined),
    ).toEqual([]);
    const open = routes.filter(({ scope }) => scope === "public").map(({ path }) => path);
    expect(open.toSorted()).toEqual(PUBLIC.toSorted());
  });

  test.each(routes.map(({ method, path, scope }) => [method, path, scope] as const))(
    "%s %s answers exactly the keys with scope %s",
    async (method, path, scope) => {
      const keys = await Promise.all(
        KEY_SCOPES.map((one) => configured(`only-${one}`, { scopes: [one] })),
      );
      const { app } = createKeyedApp(keys, {}, DEPS);
      const ask = async (headers: Record<string, string>) => {
        const init = method === "POST" ? { method, body: "{}" } : { method };
        const response = await app.fetch(
          new Request(`http://localhost${concrete(path)}`, {
            ...init,
            headers: { "content-type": "application/json", ...headers },
          }),
        );
        await response.body?.cancel();
        return response.status;
      };
      expect(passes(await ask({})), "without a key").toBe(scope === "public");
      expect(passes(await ask(bearer("wrong"))), "with a wrong key").toBe(scope === "public");
      for (const one of KEY_SCOPES) {
        const status = await ask(bearer(`only-${one}`));
        expect(passes(status), one).toBe(scope === "public" || scope === one);
        if (!passes(status)) expect(status, one).toBe(403);
      }
    },
  );

  test("an unknown path, another method and OPTIONS tell nothing to those without a key", async () => {
    const { get } = createKeyedApp([await configured("user")]);
    for (const [path, init] of [
      ["/v1/nothing", {}],
      ["/v1/chat/completions", { method: "GET" }],
      ["/v1/chat/completions", { method: "OPTIONS" }],
      ["/metrics", { method: "DELETE" }],
    ] as const) {
      expect((await get(path, init)).status, path).toBe(401);
    }
    expect((await get("/v1/nothing", { headers: bearer("user") })).status).toBe(404);
  });

  test("an empty list of keys lets nobody in, none at all everybody", async () => {
    expect((await createKeyedApp([]).get("/v1/models")).status).toBe(401);
    expect((await createScriptedApp().get("/v1/models")).status).toBe(200);
  });
});
