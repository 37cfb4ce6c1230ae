import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent } from "undici";
import { afterEach, describe, expect, test } from "vitest";
import { openHttpSource } from "../../../../adapters/node/sources/http-source.ts";
import type { HttpSourceOptions } from "../../../../adapters/node/sources/http-source.ts";
import type { ByteSource } from "../../../../core/gguf/source.ts";

const MIB = 2 ** 20;
const bytes = Uint8Array.from({ length: 5 * MIB + 123 }, (_, i) => (i * 31 + (i >> 9)) & 0xff);

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

interface FileServer {
  readonly url: string;
  /** The `Range` of every request, in order. */
  readonly ranges: string[];
  handle: Handler;
}

const servers: Server[] = [];
const sources: ByteSource[] = [];
afterEach(async () => {
  await Promise.all(sources.splice(0).map((source) => source.close()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(handle: Handler = serveRange()): Promise<FileServer> {
  const state = { url: "", ranges: [] as string[], handle };
  const server = createServer((request, response) => {
    state.ranges.push(request.headers.range ?? "");
    state.handle(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/m.gguf`;
  return state;
}

interface ServeOptions {
  readonly etag?: string;
  readonly total?: number;
  /** At most so many bytes per answer. */
  readonly most?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Break the connection after so many bytes of the body. */
  readonly breakAfter?: number;
}

/** A well-behaved file server, but for what `options` spoil. */
function serveRange(options: ServeOptions = {}): Handler {
  return (request, response) => {
    const { start, end } = rangeOf(request);
    const condition = request.headers["if-range"];
    if (condition !== undefined && condition !== options.etag) {
      response.writeHead(200).end(bytes);
      return;
    }
    const last = Math.min(end, bytes.length - 1, start + (options.most ?? Infinity) - 1);
    response.writeHead(206, {
      "content-range": `bytes ${start}-${last}/${options.total ?? bytes.length}`,
      "content-length": last - start + 1,
      ...(options.etag === undefined ? {} : { etag: options.etag }),
      ...options.headers,
    });
    if (options.breakAfter === undefined) {
      response.end(bytes.subarray(start, last + 1));
      return;
    }
    response.write(bytes.subarray(start, Math.min(start + options.breakAfter, last + 1)), () =>
      response.destroy(),
    );
  };
}

function rangeOf(request: IncomingMessage): { readonly start: number; readonly end: number } {
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  return { start: Number(start), end: Number(end) };
}

async function open(url: string, options: HttpSourceOptions = {}): Promise<ByteSource> {
  const source = await openHttpSource(url, {
    retryDelayMs: 5,
    allowHosts: ["127.0.0.1", "localhost"],
    ...options,
  });
  sources.push(source);
  return source;
}

async function readBytes(source: ByteSource, offset: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length);
  await source.read(offset, into);
  return into;
}

function expectBytes(got: Uint8Array, offset: number): void {
  // Compared as buffers: element by element a megabyte takes seconds.
  expect(Buffer.compare(got, bytes.subarray(offset, offset + got.byteLength))).toBe(0);
}

describe("openHttpSource", () => {
  test("reads any part of a file, and turns small reads into few requests", async () => {
    const server = await serve(serveRange({ etag: '"1"' }));
    const source = await open(server.url);
    expect(source).toMatchObject({ size: bytes.length, name: server.url });
    for (let offset = 0; offset < 2 * MIB; offset += 10_000) {
      expectBytes(await readBytes(source, offset, 10_000), offset);
    }
    expect(server.ranges).toHaveLength(3);
    // A large read takes what is at hand, and the rest in one request.
    expectBytes(await readBytes(source, 2 * MIB, 3 * MIB), 2 * MIB);
    expect(server.ranges).toHaveLength(4);
    // Back to the beginning, up to the last byte, and beyond it.
    expectBytes(await readBytes(source, 0, 10), 0);
    expectBytes(await readBytes(source, bytes.length - 10, 10), bytes.length - 10);
    await expect(readBytes(source, bytes.length - 10, 11)).rejects.toMatchObject({
      code: "MODEL_MALFORMED",
    });
  });

  test("serves reads that run together", async () => {
    const server = await serve();
    const source = await open(server.url);
    const offsets = [4 * MIB, 7, 3 * MIB, 100_000, 2 * MIB];
    const parts = await Promise.all(offsets.map((offset) => readBytes(source, offset, MIB + 5)));
    for (const [i, part] of parts.entries()) expectBytes(part, offsets[i]!);
  });

  test("keeps secrets of the URL out of its name", async () => {
    const server = await serve();
    const source = await open(`${server.url}?token=secret`);
    expect(source.name).toBe(server.url);
  });

  test("refuses a server without range requests and says what to do", async () => {
    const server = await serve((_, response) => response.writeHead(200).end(bytes));
    await expect(open(server.url)).rejects.toMatchObject({
      code: "MODEL_UNSUPPORTED",
      message: expect.stringMatching(/ignores range requests: download the file/),
    });
    expect(server.ranges).toHaveLength(1);
  });

  test.each([
    [404, "MODEL_NOT_FOUND", /no such file/],
    [403, "MODEL_UNSUPPORTED", /access is refused/],
    [416, "MODEL_UNSUPPORTED", /empty/],
    [204, "MODEL_UNSUPPORTED", /206 was expected/],
  ] as const)("does not try again after %i", async (status, code, message) => {
    const server = await serve((_, response) => response.writeHead(status).end());
    await expect(open(server.url)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(server.ranges).toHaveLength(1);
  });

  test.each([
    ["another range", { "content-range": `bytes 5-99/${bytes.length}` }],
    ["more than was asked for", { "content-range": `bytes 0-${2 * MIB}/${bytes.length}` }],
    ["an end beyond the file", { "content-range": "bytes 0-99/50" }],
    ["no total", { "content-range": "bytes 0-99/*" }],
    ["a total beyond 2^53", { "content-range": "bytes 0-99/99999999999999999" }],
    ["parts", { "content-range": "multipart" }],
    ["compressed bytes", { "content-encoding": "gzip" }],
  ] as const)("refuses an answer with %s", async (_, headers) => {
    const server = await serve(serveRange({ headers }));
    await expect(open(server.url)).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
  });

  test.each([
    ["strong ETag", { etag: '"1"' }, { etag: '"2"' }],
    ["weak ETag", { etag: 'W/"1"' }, { etag: 'W/"2"', headers: {} }],
    ["date", { headers: { "last-modified": "Mon" } }, { headers: { "last-modified": "Tue" } }],
    ["size", {}, { total: bytes.length + 1 }],
  ] as const)("refuses a file whose %s has changed", async (_, before, after) => {
    const server = await serve(serveRange(before));
    const source = await open(server.url);
    expectBytes(await readBytes(source, 2 * MIB, 100), 2 * MIB);
    server.handle = serveRange(after);
    await expect(readBytes(source, 4 * MIB, 100)).rejects.toMatchObject({
      code: "MODEL_MALFORMED",
      message: expect.stringMatching(/has changed/),
    });
  });

  test("tries again after a passing failure, and gives up after some tries", async () => {
    const server = await serve();
    const source = await open(server.url);
    const well = server.handle;
    let failures = 3;
    server.handle = (request, response) => {
      if (failures-- > 0) response.writeHead(503).end();
      else well(request, response);
    };
    expectBytes(await readBytes(source, 3 * MIB, 10), 3 * MIB);
    server.handle = (_, response) => response.writeHead(503).end();
    server.ranges.length = 0;
    await expect(readBytes(source, 4.5 * MIB, 10)).rejects.toMatchObject({
      code: "NOT_READY",
      message: expect.stringMatching(/5 tries failed, the last with: the server answered 503/),
    });
    expect(server.ranges).toHaveLength(5);
  });

  test("resumes where a connection broke, for as long as there is progress", async () => {
    const server = await serve(serveRange({ etag: '"1"' }));
    const source = await open(server.url);
    server.handle = serveRange({ etag: '"1"', breakAfter: 300_000 });
    server.ranges.length = 0;
    expectBytes(await readBytes(source, 2 * MIB, 3 * MIB), 2 * MIB);
    // Had each try begun anew, none would ever have ended.
    expect(server.ranges.length).toBeGreaterThan(5);
    expect(server.ranges[1]).not.toBe(server.ranges[0]);
  });

  test("goes on when the server sends less than it was asked for", async () => {
    const server = await serve(serveRange({ most: 700_000 }));
    const source = await open(server.url);
    expectBytes(await readBytes(source, 10, 3 * MIB), 10);
  });

  test("refuses a body that is longer than announced", async () => {
    const server = await serve((_, response) => {
      response.writeHead(206, { "content-range": `bytes 0-${MIB - 1}/${bytes.length}` });
      response.end(bytes);
    });
    await expect(open(server.url)).rejects.toMatchObject({
      code: "MODEL_UNSUPPORTED",
      message: expect.stringMatching(/more bytes than it announced/),
    });
  });

  test("follows redirects and leaves the credentials behind when the host changes", async () => {
    const target = await serve();
    const well = target.handle;
    let authorization: string | undefined = "none yet";
    target.handle = (request, response) => {
      authorization = request.headers.authorization;
      well(request, response);
    };
    const front = await serve((request, response) => {
      expect(request.headers.authorization).toBe("Bearer secret");
      response.writeHead(302, { location: target.url }).end();
    });
    const source = await open(front.url, { headers: { authorization: "Bearer secret" } });
    expectBytes(await readBytes(source, 3 * MIB, 10), 3 * MIB);
    expect(authorization).toBeUndefined();
  });

  test("a redirection that never arrives ends", async () => {
    const server = await serve((_, response) => {
      response.writeHead(302, { location: `${server.url}?${server.ranges.length}` }).end();
    });
    await expect(open(server.url)).rejects.toMatchObject({
      code: "MODEL_UNSUPPORTED",
      message: expect.stringContaining("answered 302"),
    });
    expect(server.ranges).toHaveLength(6);
  });

  test("the signal ends a read under way, with its reason", async () => {
    const server = await serve();
    const controller = new AbortController();
    const source = await open(server.url, { signal: controller.signal });
    server.handle = () => controller.abort(new Error("enough"));
    await expect(readBytes(source, 3 * MIB, 10)).rejects.toThrow("enough");
    await expect(readBytes(source, 0, 10)).rejects.toThrow("enough");
  });

  test("close ends a read under way and spares a dispatcher that was handed in", async () => {
    const server = await serve();
    const dispatcher = new Agent();
    const source = await open(server.url, { dispatcher });
    const well = server.handle;
    server.handle = () => void source.close();
    await expect(readBytes(source, 3 * MIB, 10)).rejects.toMatchObject({ code: "ABORTED" });
    server.handle = well;
    const again = await open(server.url, { dispatcher });
    expectBytes(await readBytes(again, 3 * MIB, 10), 3 * MIB);
    await dispatcher.destroy();
  });

  test("reports a server that cannot be reached", async () => {
    const server = await serve();
    servers.splice(0).forEach((one) => one.close());
    await expect(open(server.url)).rejects.toMatchObject({
      code: "NOT_READY",
      message: expect.stringContaining("5 tries failed"),
    });
  });
});
