import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { afterEach, expect, test } from "vitest";
import { lingerOnClose } from "../../../adapters/node/lingering-close.ts";
import { listen } from "../../../adapters/node/listen.ts";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";

const MIB = 1024 * 1024;
const HEAD =
  "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";

let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

/** The real application behind the real server; bodies may have 64 KiB. */
async function start(limits?: Parameters<typeof lingerOnClose>[1]): Promise<number> {
  const { app } = createScriptedApp({ reply: "hello" }, { limits: { bodyBytes: 65_536 } });
  server = createAdaptorServer({
    fetch: (request) => app.fetch(request),
    overrideGlobalObjects: false,
    createServer,
  }) as Server;
  lingerOnClose(server, limits);
  await listen(server, "127.0.0.1", 0);
  return (server.address() as AddressInfo).port;
}

interface Seen {
  readonly answer: string;
  readonly error: string | undefined;
  readonly sent: number;
}

/** Send all pieces, whatever the server says meanwhile, and only then read what it said. */
function sendFirst(port: number, pieces: readonly (string | Uint8Array)[]) {
  return new Promise<Seen>((resolve) => {
    let answer = "";
    let error: string | undefined;
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.pause();
    socket.on("error", (cause: NodeJS.ErrnoException) => (error = cause.code));
    socket.on("close", () => {
      resolve({ answer, error, sent: socket.bytesWritten });
    });
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")));
    const send = async (): Promise<void> => {
      for (const piece of pieces) {
        await new Promise((done) => socket.write(piece, done));
        // The server has answered long since.
        await new Promise((done) => setTimeout(done, 5));
      }
      socket.end();
      socket.resume();
    };
    void send();
  });
}

const piece = (size: number) => new Uint8Array(size).fill(32);
const pieces = (count: number) => Array.from({ length: count }, () => piece(MIB / 4));
const chunks = (count: number) => pieces(count).flatMap((data) => ["40000\r\n", data, "\r\n"]);

test("a client that sends all of a body over the limit and reads then sees 413, announced", async () => {
  const port = await start();
  const head = `${HEAD}content-length: ${8 * MIB}\r\n\r\n`;
  const { answer, error } = await sendFirst(port, [head, ...pieces(32)]);
  expect(error).toBeUndefined();
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).toContain("request_too_large");
  expect(answer.toLowerCase()).toContain("connection: close");
});

test("and in chunks", async () => {
  const port = await start();
  const { answer, error } = await sendFirst(port, [
    `${HEAD}transfer-encoding: chunked\r\n\r\n`,
    ...chunks(32),
    "0\r\n\r\n",
  ]);
  expect(error).toBeUndefined();
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
});

test("one that never ends is cut off after so many bytes", async () => {
  const port = await start({ bytes: MIB, milliseconds: 10_000 });
  const { sent } = await sendFirst(port, [
    `${HEAD}transfer-encoding: chunked\r\n\r\n`,
    ...chunks(64),
  ]);
  // What the system's buffers hold, and no more.
  expect(sent).toBeLessThan(16 * MIB);
});

test("one that falls silent is let go after so long", async () => {
  const port = await start({ bytes: MIB, milliseconds: 200 });
  const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  client.write(`${HEAD}content-length: ${8 * MIB}\r\n\r\n`);
  const [socket] = (await once(server!, "connection")) as [Socket];
  const [answer] = (await once(client, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 413 /);
  const began = performance.now();
  await once(socket, "close");
  expect(performance.now() - began).toBeGreaterThan(100);
  client.destroy();
});

test("what comes behind an answered body is not taken for a request", async () => {
  const port = await start();
  const body = '{"model":"m","messages":[{"role":"user","content":"hi"}]}';
  const second = `${HEAD}content-length: ${body.length}\r\n\r\n${body}`;
  const head = `${HEAD}content-length: ${MIB}\r\n\r\n`;
  const { answer } = await sendFirst(port, [head, ...pieces(4), second]);
  expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
});

test("whole bodies leave the connection open for the next", async () => {
  const port = await start();
  const body = '{"model":"m","messages":[{"role":"user","content":"hi"}]}';
  const request = `${HEAD}content-length: ${body.length}\r\n\r\n${body}`;
  const { answer } = await sendFirst(port, [request, request]);
  expect(answer.match(/HTTP\/1\.1 200 /g)).toHaveLength(2);
});
