import { expect, test } from "vitest";
import { pathOf } from "../../../core/http/path.ts";
import { configured, bearer, createKeyedApp } from "../../fixtures/keyed-app.ts";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";

/** What must not depend on the way; times and ids differ from request to request. */
async function facts(response: Response) {
  const headers = Object.fromEntries(response.headers);
  for (const name of ["openai-processing-ms", "x-request-id", "content-length"]) {
    if (name !== "content-length") expect(headers[name]).toBeTruthy();
    delete headers[name];
  }
  return { status: response.status, headers, body: await response.json() };
}

test("GET /v1/models is answered alike on the express lane and on the ordinary way", async () => {
  const { get, logs } = createScriptedApp();
  const express = await facts(await get("/v1/models"));
  // A query is not ordinary enough for the express lane.
  expect(await facts(await get("/v1/models?x=1"))).toEqual(express);
  const [first, second] = logs.map(({ request_id: _id, duration_ms: _ms, ...rest }) => rest);
  expect(first).toEqual(second);
  expect(await (await get("/metrics")).text()).toContain(
    'sirocco_requests_total{code_class="2xx"} 2',
  );
});

test("the kept answer follows the models that are served", async () => {
  let ids: ("a" | "b")[] = [];
  const { served } = createScriptedApp();
  const known = { a: { ...served, id: "a" }, b: { ...served, id: "b" } };
  const { get } = createScriptedApp({}, { models: () => ids.map((id) => known[id]) });
  const listed = async () =>
    ((await (await get("/v1/models")).json()).data as { id: string }[]).map(({ id }) => id);
  for (ids of [[], ["a"], ["a", "b"], ["b"], ["b", "a"], []] as ("a" | "b")[][])
    expect(await listed()).toEqual(ids);
});

test("keys, foreign hosts, other methods and other paths go the ordinary way", async () => {
  const keyed = createKeyedApp([await configured("user")]);
  expect((await keyed.get("/v1/models")).status).toBe(401);
  expect((await keyed.get("/v1/models", { headers: bearer("user") })).status).toBe(200);
  const { get, app } = createScriptedApp({}, { hosts: ["localhost"] });
  expect((await get("/v1/models", { headers: { host: "evil.example" } })).status).toBe(403);
  expect((await get("/v1/models", { method: "POST" })).status).toBe(405);
  expect((await get("/x/v1/models")).status).toBe(404);
  const elsewhere = await app.fetch(new Request("http://localhost/x?/v1/models"));
  expect(elsewhere.status).toBe(404);
  const cors = createScriptedApp({}, { corsOrigins: ["https://a.example"] });
  const headers = { origin: "https://a.example" };
  const allowed = await cors.get("/v1/models", { headers });
  expect(allowed.headers.get("access-control-allow-origin")).toBe("https://a.example");
});

test("pathOf is what URL calls the pathname", () => {
  const urls = [
    "http://localhost/",
    "http://localhost",
    "http://localhost:8080/v1/models?x=/a",
    "https://h.example/a/b%20c?d?e",
    "http://[::1]:80/a",
    "http://h?/x",
  ];
  for (const url of urls) expect(pathOf(new URL(url).href)).toBe(new URL(url).pathname);
});
