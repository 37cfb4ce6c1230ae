import { createServer, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { afterEach, expect, test } from "vitest";
import { answerAtHand } from "../../../adapters/node/answer-at-hand.ts";
import { listen } from "../../../adapters/node/listen.ts";
import { keptAnswers } from "../../fixtures/kept-answers.ts";
import { createScriptedApp, type ScriptedApp } from "../../fixtures/scripted-app.ts";

let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

/** Requests that took the ordinary way are in `ordinary`. */
async function start(): Promise<{ port: number; app: ScriptedApp; ordinary: string[] }> {
  const app = createScriptedApp({ reply: "hello" }, { caching: keptAnswers() });
  const ordinary: string[] = [];
  const next = getRequestListener(
    (request) => {
      ordinary.push(request.headers.get("x-request-id") ?? "");
      return app.app.fetch(request);
    },
    { overrideGlobalObjects: false },
  );
  const listener = answerAtHand(app.app.lane!, next);
  server = createServer((incoming, outgoing) => void listener(incoming, outgoing));
  await listen(server, "127.0.0.1", 0);
  return { port: (server.address() as AddressInfo).port, app, ordinary };
}

const body = (content: string): string =>
  JSON.stringify({ model: "m", temperature: 0, messages: [{ role: "user", content }] });

const head = (text: string, id: string, ending = ""): string =>
  `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-request-id: ${id}\r\n${ending}` +
  `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n`;

const last = "connection: close\r\n";

/** Send the pieces, each in a packet of its own, and return all that came back. */
function exchange(port: number, pieces: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.setEncoding("utf8").on("data", (text: string) => (answer += text));
    socket.on("error", reject).on("close", () => resolve(answer));
    const send = async (): Promise<void> => {
      for (const piece of pieces) {
        await new Promise((done) => socket.write(piece, done));
        await new Promise((done) => setTimeout(done, 20));
      }
    };
    void send();
  });
}

const statuses = (text: string): string[] => text.match(/HTTP\/1\.1 \d+/g) ?? [];
const bodies = (text: string): string[] => text.match(/\{"id".*?\}\}(?=HTTP|$)/gs) ?? [];

test("hits are answered at once, misses and bodies that come later the ordinary way", async () => {
  const { port, ordinary } = await start();
  const text = body("Hello, wörld");
  const miss = await exchange(port, [head(text, "miss", last) + text]);
  const hit = await exchange(port, [head(text, "hit", last) + text]);
  const late = await exchange(port, [head(text, "late", last), text]);
  const halves = await exchange(port, [
    head(text, "halves", last) + text.slice(0, 10),
    text.slice(10),
  ]);
  expect(ordinary).toEqual(["miss", "late", "halves"]);
  for (const answer of [miss, hit, late, halves]) {
    expect(statuses(answer)).toEqual(["HTTP/1.1 200"]);
    expect(bodies(answer)).toEqual(bodies(miss));
  }
  expect(hit).toContain("cache-status: sirocco; hit");
  expect(hit).toContain("x-request-id: hit");
});

test("what the lane has read and cannot answer is read from there", async () => {
  const { port, app, ordinary } = await start();
  const answers = await Promise.all(
    ["a", "b", "c"].map((name) => {
      const text = body(name.repeat(1000));
      return exchange(port, [head(text, name, last) + text]);
    }),
  );
  expect(ordinary.toSorted()).toEqual(["a", "b", "c"]);
  expect(answers.flatMap(statuses)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 200"]);
  expect(app.engine.requests).toHaveLength(3);
});

test("requests behind one another on a connection are answered in their order", async () => {
  const { port } = await start();
  const [one, other] = [body("one"), body("other")];
  await exchange(port, [head(one, "first", last) + one]);
  const answer = await exchange(port, [
    head(one, "1") + one + head(other, "2") + other + head(one, "3", last) + one,
  ]);
  expect(statuses(answer)).toHaveLength(3);
  expect(answer.match(/x-request-id: \S+/g)).toEqual(
    ["1", "2", "3"].map((id) => `x-request-id: ${id}`),
  );
});

test("bytes that are no text are refused, and clients that leave are nobody's trouble", async () => {
  const { port } = await start();
  const text = body("Hello");
  await exchange(port, [head(text, "first", last) + text]);
  const gone = connect({ port, host: "127.0.0.1" });
  gone.write(head(text, "gone") + text, () => gone.destroy());
  const broken = await new Promise<string>((resolve) => {
    let answer = "";
    const socket = connect({ port, host: "127.0.0.1" });
    socket
      .on("data", (chunk: Buffer) => (answer += chunk.toString()))
      .on("close", () => resolve(answer));
    socket.write(Buffer.concat([Buffer.from(head("xx", "broken", last)), Buffer.of(0xff, 0xfe)]));
  });
  expect(broken).toContain("HTTP/1.1 400");
  expect(broken).toContain("UTF-8");
  expect(statuses(await exchange(port, [head(text, "after", last) + text]))).toEqual([
    "HTTP/1.1 200",
  ]);
});
