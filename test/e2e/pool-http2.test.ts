import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeCertificate } from "../fixtures/certificate.ts";
import { startServer, type ServerProcess } from "../fixtures/cli.ts";
import { startHttp2Front, type Http2Front } from "../fixtures/http2-front.ts";
import { ask, metricsOf } from "../soak/client.ts";

/** A node behind TLS and HTTP/2, as it is behind a load balancer, with two ways to it. */

let folder: string;
let node: ServerProcess;
let fronts: readonly Http2Front[];
let edge: ServerProcess;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sirocco-http2-"));
  const certificate = makeCertificate();
  const authority = join(folder, "authority.pem");
  writeFileSync(authority, certificate.cert);
  node = await startServer(["--threads", "1"]);
  fronts = await Promise.all([0, 1].map(() => startHttp2Front(node.url, certificate)));
  const pool = fronts.flatMap(({ url }, i) => ["--pool", `n${i}=${url}`]);
  edge = await startServer(["--no-model", ...pool], { NODE_EXTRA_CA_CERTS: authority });
}, 60_000);

afterAll(async () => {
  await edge?.stop();
  for (const front of fronts ?? []) await front.close();
  await node?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const LONG = { prompt: "A clock is", tokens: 300, stream: true };
const asked = (): number => fronts.reduce((sum, front) => sum + front.asked(), 0);
const running = async (): Promise<number> =>
  (await metricsOf(node.url)).get("vllm:num_requests_running") ?? NaN;

test("answers whole, in pieces and several at a time are the node's own", async () => {
  const { text } = await ask(node.url, { ...LONG, stream: false });
  const before = asked();
  const all = await Promise.all(
    Array.from({ length: 12 }, (_, i) => ask(edge.url, { ...LONG, stream: i % 2 === 0 })),
  );
  expect(new Set(all.map((ending) => ending.text))).toEqual(new Set([text]));
  expect(asked() - before).toBeGreaterThanOrEqual(12);
});

test("a client that leaves frees the node", async () => {
  await ask(edge.url, { ...LONG, tokens: 1900, leaveAfter: 3 });
  await expect.poll(running, { timeout: 10_000 }).toBe(0);
});

test.for([
  ["connections break", (front: Http2Front) => front.kill()],
  ["the front says goodbye", (front: Http2Front) => front.goAway()],
] as const)("no answer is lost where %s in the middle", async ([, trouble]) => {
  const { text } = await ask(node.url, LONG);
  const all = Array.from({ length: 6 }, () => ask(edge.url, LONG));
  await expect.poll(running).toBeGreaterThan(0);
  trouble(fronts[0]!);
  const endings = await Promise.all(all);
  expect(endings.map(({ kind }) => kind)).toEqual(all.map(() => "complete"));
  expect(new Set(endings.map((ending) => ending.text))).toEqual(new Set([text]));
  // And the way is used again.
  await Promise.all(Array.from({ length: 6 }, () => ask(edge.url, { ...LONG, tokens: 8 })));
  expect(edge.child.exitCode).toBeNull();
});
