import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { isPublic } from "../../adapters/node/sources/guarded-connections.ts";
import { openHttpSource } from "../../adapters/node/sources/http-source.ts";
import { runCli } from "../fixtures/cli.ts";

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listening(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** A server that counts who reaches it, and answers a file of one byte. */
async function secret(): Promise<{ readonly port: number; reached: number }> {
  const state = { port: 0, reached: 0 };
  state.port = await listening((_request, response) => {
    state.reached++;
    response.writeHead(206, { "content-range": "bytes 0-0/1" }).end("x");
  });
  return state;
}

const refusal = { code: "MODEL_UNSUPPORTED", message: expect.stringContaining("not a public") };

describe("13 model URLs lead to public addresses only", () => {
  test.each([
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "2130706433",
    "0177.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "0.0.0.0",
    "[::]",
    "localhost",
  ])("this machine as %s is refused, and nothing is sent", async (host) => {
    const inner = await secret();
    const opened = openHttpSource(`http://${host}:${inner.port}/m.gguf`, { retryDelayMs: 1 });
    await expect(opened).rejects.toMatchObject(refusal);
    expect(inner.reached).toBe(0);
  });

  test.each([
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[fd00::1]",
    "[fe80::1]",
    "[64:ff9b::a00:1]",
    "[2002:a00:1::]",
    "[2001:db8::1]",
    "[ff02::1]",
  ])("%s is refused without connecting", async (host) => {
    await expect(openHttpSource(`http://${host}/m.gguf`)).rejects.toMatchObject(refusal);
  });

  test("a redirection into the inside is refused, by address and by name", async () => {
    const inner = await secret();
    for (const host of ["[::1]", "0x7f.1.", "169.254.169.254"]) {
      const outer = await listening((_request, response) => {
        response.writeHead(302, { location: `http://${host}:${inner.port}/m.gguf` }).end();
      });
      // The first host is allowed by name; where it sends us is not.
      const opened = openHttpSource(`http://localhost:${outer}/m.gguf`, {
        allowHosts: ["localhost"],
        retryDelayMs: 1,
      });
      await expect(opened).rejects.toMatchObject(refusal);
    }
    expect(inner.reached).toBe(0);
  });

  test("what is allowed is allowed by name, and stays so after a redirection to itself", async () => {
    const inner = await secret();
    const allowHosts = ["localhost"];
    const source = await openHttpSource(`http://localhost:${inner.port}/m.gguf`, { allowHosts });
    expect(source.size).toBe(1);
    await source.close();
  });

  test("isPublic knows the public from the rest", () => {
    for (const address of ["1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"])
      expect(isPublic(address), address).toBe(true);
    for (const address of ["", "x", "::ffff:10.0.0.1", "192.0.2.1", "240.0.0.1", "::", "2001::1"])
      expect(isPublic(address), address).toBe(false);
  });

  test("credentials do not follow a redirection to another host", async () => {
    const seen: (string | undefined)[] = [];
    const other = await listening((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(206, { "content-range": "bytes 0-0/1" }).end("x");
    });
    const first = await listening((_request, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${other}/m.gguf` }).end();
    });
    const source = await openHttpSource(`http://localhost:${first}/m.gguf`, {
      allowHosts: ["localhost", "127.0.0.1"],
      headers: { authorization: "Bearer secret" },
    });
    await source.close();
    expect(seen).toEqual([undefined]);
  });

  test("the command says which flag allows a host that is meant", async () => {
    const inner = await secret();
    const url = `http://localhost:${inner.port}/m.gguf`;
    const { code, stderr } = await runCli(["show", url]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("--model-host localhost")]);
    const allowed = await runCli(["show", url], { env: { SIROCCO_MODEL_HOSTS: "localhost" } });
    expect(allowed.stderr).not.toContain("public address");
    expect(inner.reached).toBeGreaterThan(0);
  });
});
