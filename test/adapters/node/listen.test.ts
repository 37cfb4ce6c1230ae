import { createServer, type Server } from "node:http";
import { afterEach, expect, test } from "vitest";
import { listen, listenFailure } from "../../../adapters/node/listen.ts";

const servers = [createServer(), createServer()] as const;

afterEach(() => {
  for (const server of servers) server.close();
});

test("listen on port 0 tells the port that was free", async () => {
  const url = await listen(servers[0], "127.0.0.1", 0);
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
});

test("listen on a port that is taken says so and names another", async () => {
  const { port } = new URL(await listen(servers[0], "127.0.0.1", 0));
  expect(await failureOf(servers[1], "127.0.0.1", Number(port))).toMatchObject({
    name: "RuntimeError",
    message:
      `Cannot listen on 127.0.0.1:${port}: another program has this port; ` +
      `stop it or choose another, e.g. --port ${Number(port) + 1}`,
  });
});

test("listen on an address of another machine says so", async () => {
  expect(await failureOf(servers[0], "192.0.2.1", 0)).toMatchObject({
    message: expect.stringContaining("no such address") as string,
  });
});

/** What a caller hears where it cannot listen. */
async function failureOf(server: Server, host: string, port: number): Promise<unknown> {
  const error: unknown = await listen(server, host, port).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  return listenFailure(error, host, port);
}
