import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type ServerProcess } from "../fixtures/cli.ts";

/** Send until the server answers or closes; resolves to what it said and how much it took. */
function flood(
  port: number,
  head: string,
  piece: string,
): Promise<{ readonly answer: string; readonly sent: number }> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    let sent = 0;
    const more = (): void => {
      if (piece === "") return;
      do sent += piece.length;
      while (!socket.destroyed && socket.bytesRead === 0 && socket.write(piece));
    };
    socket.setEncoding("latin1").on("data", (text: string) => {
      answer += text;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve({ answer, sent }));
    socket.on("drain", () => setImmediate(more));
    socket.on("connect", () => {
      socket.write(head);
      setImmediate(more);
    });
    socket.setTimeout(15_000, () => socket.destroy());
  });
}

describe("18 floods of headers and bodies end early, before any work on keys", () => {
  let server: ServerProcess;
  let port: number;
  const LIMIT = 64 * 1024 * 1024;

  beforeAll(async () => {
    server = await startServer(["--api-key", "sk-x"]);
    port = Number(new URL(server.url).port);
  });

  afterAll(async () => {
    await server?.stop();
  });

  test("headers without end are 431", async () => {
    const { answer, sent } = await flood(
      port,
      "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\n",
      `x-flood: ${"x".repeat(1000)}\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 431 |^$/);
    expect(sent).toBeLessThan(LIMIT);
  });

  test("a chunked body without end is cut off, and the server lives", async () => {
    const { sent } = await flood(
      port,
      "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-x\r\n" +
        "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
      `10000\r\n${" ".repeat(65_536)}\r\n`,
    );
    expect(sent).toBeLessThan(LIMIT);
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  });

  test("an announced body over the limit is 413, before any of it was sent", async () => {
    const { answer } = await flood(
      port,
      "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-x\r\n" +
        `content-type: application/json\r\ncontent-length: ${5 * 1024 * 1024}\r\n\r\n`,
      "",
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });
});
