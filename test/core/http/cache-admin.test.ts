import { expect, test } from "vitest";
import { createAccess } from "../../../core/http/edge/access.ts";
import { bearer, configured } from "../../fixtures/keyed-app.ts";
import { keptAnswers } from "../../fixtures/kept-answers.ts";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";
import { ask, CHAT } from "./pool-rig.ts";

const PURGE = "/admin/cache/purge";

async function open() {
  const tasks: Promise<unknown>[] = [];
  const keys = await Promise.all([
    configured("user"),
    configured("other"),
    configured("admin", { scopes: ["admin"] }),
  ]);
  let time = 1_790_000_000_000;
  const now = () => time;
  const app = createScriptedApp(
    { reply: "hi" },
    { caching: keptAnswers(tasks, {}, now), access: createAccess(keys, now) },
  );
  const say = async (id: string) => {
    const response = await app.post(CHAT, ask, { headers: bearer(id) });
    await Promise.all(tasks.splice(0));
    return response.headers.get("cache-status");
  };
  const purge = (body: object, id = "admin") => app.post(PURGE, body, { headers: bearer(id) });
  const pass = () => void (time += 1);
  return { app, say, purge, pass };
}

test("what is kept for a tenant is purged, and nothing of others", async () => {
  const { say, purge, pass } = await open();
  for (const id of ["user", "other"]) expect(await say(id)).toContain("miss");
  const response = await purge({ tenant: "user" });
  expect([response.status, await response.json()]).toEqual([200, { purged: "tenant:user" }]);
  pass();
  expect(await say("user")).toContain("miss");
  expect(await say("other")).toContain("hit");
  // What was computed since is kept again.
  expect(await say("user")).toContain("hit");
});

test("what a model answered is purged, by whatever name the model has", async () => {
  const { app, say, purge, pass } = await open();
  await say("user");
  const response = await purge({ model: "organisation/m" });
  expect(await response.json()).toEqual({ purged: `model:${app.served.digest}` });
  pass();
  expect(await say("user")).toContain("miss");
  expect((await purge({ model: "nobody" })).status).toBe(404);
});

test("is for whoever administers, and wants to know what", async () => {
  const { app, purge } = await open();
  expect((await app.post(PURGE, { tenant: "user" })).status).toBe(401);
  expect((await purge({ tenant: "user" }, "user")).status).toBe(403);
  for (const body of [{}, { tenant: "user", model: "m" }, { tenant: 1 }, { all: true }])
    expect((await purge(body)).status, JSON.stringify(body)).toBe(400);
  const without = createScriptedApp();
  expect((await without.post(PURGE, { tenant: "user" })).status).toBe(404);
});
