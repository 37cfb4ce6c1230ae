import { describe, expect, test } from "vitest";
import { allowedHosts } from "../../core/http/edge/host.ts";
import { bearer, configured, createKeyedApp } from "../fixtures/keyed-app.ts";
import { createScriptedApp } from "../fixtures/scripted-app.ts";

const CHAT = "/v1/chat/completions";

describe("17 other sites stay out: DNS rebinding and CORS", () => {
  test("on loopback a request to another name is 403, before anything else is looked at", async () => {
    const { app } = createScriptedApp({}, { hosts: allowedHosts("127.0.0.1", ["gpu.local"])! });
    const status = async (host: string, path = "/v1/models") =>
      (await app.fetch(new Request(`http://localhost${path}`, { headers: { host } }))).status;
    for (const host of ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "gpu.local"])
      expect(await status(host), host).toBe(200);
    for (const host of ["evil.com", "evil.com:8080", "localhost.evil.com", "127.0.0.1.nip.io", ""])
      expect(await status(host), host).toBe(403);
    expect(await status("evil.com", "/livez")).toBe(403);
    expect(await status("evil.com", "/nothing")).toBe(403);
  });

  test("allowedHosts is any on a network address, unless names are given", () => {
    expect(allowedHosts("0.0.0.0")).toBeUndefined();
    expect(allowedHosts("0.0.0.0", ["api.example"])).toEqual(["api.example"]);
    for (const loopback of ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
      expect(allowedHosts(loopback)).toEqual(["localhost", "127.0.0.1", "[::1]"]);
    expect(allowedHosts("127.0.0.1.example")).toBeUndefined();
  });

  test("a form of another site cannot send a request: text/plain is 415", async () => {
    const { post } = createScriptedApp();
    const simple = { "content-type": "text/plain" };
    expect((await post(CHAT, "{}", { headers: simple })).status).toBe(415);
  });

  test("by default no answer has a CORS header", async () => {
    const { get } = createScriptedApp();
    for (const init of [{}, { method: "OPTIONS" }]) {
      const headers = { origin: "https://evil.example", "access-control-request-method": "POST" };
      const response = await get(CHAT, { ...init, headers });
      const names = [...response.headers.keys()];
      expect(names.filter((name) => name.startsWith("access-control"))).toEqual([]);
    }
  });

  test("with an allow-list exactly its origins may read, without credentials, errors included", async () => {
    const origin = "https://app.example";
    const { get } = createKeyedApp([await configured("user")], {}, { corsOrigins: [origin] });
    const preflight = await get(CHAT, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST" },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe(origin);
    expect(preflight.headers.get("access-control-allow-headers")).toContain("authorization");
    for (const headers of [{ origin }, { origin, ...bearer("user") }]) {
      const response = await get("/v1/models", { headers });
      expect(response.headers.get("access-control-allow-origin")).toBe(origin);
      expect(response.headers.get("access-control-allow-credentials")).toBeNull();
      expect(response.headers.get("vary")?.toLowerCase()).toContain("origin");
    }
    for (const evil of ["https://evil.example", "https://app.example.evil", "null"]) {
      const response = await get("/v1/models", { headers: { origin: evil, ...bearer("user") } });
      expect(response.headers.get("access-control-allow-origin"), evil).toBeNull();
    }
  });
});
