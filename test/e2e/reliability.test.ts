import { afterAll, beforeAll, expect, test } from "vitest";
import { exitOf, startServer, type ServerProcess } from "../fixtures/cli.ts";
import { ask, untilIdle, type Ending } from "../soak/client.ts";
import { mixed } from "../soak/mixed.ts";
import * as profiles from "../soak/profiles.ts";
import type { Seen } from "../soak/seen.ts";
import { slowClients } from "../soak/slow-clients.ts";

/** The short form of `npm run soak`. */

let server: ServerProcess;
let truth: readonly string[];

beforeAll(async () => {
  server = await startServer();
  truth = await profiles.reference(server.url);
  // Or equal texts would show nothing.
  expect(new Set(truth).size).toBe(truth.length);
});

afterAll(async () => {
  await server?.stop();
});

const SHORT: readonly (readonly [string, () => Promise<Seen>])[] = [
  ["L1: twelve clients lose nothing", () => profiles.steady(server.url, truth, 12, 2000)],
  ["L2: what is too much is refused", () => profiles.burst(server.url, truth, 80)],
  ["L3: rude clients harm nobody and leave nothing", () => profiles.rude(server.url, truth, 4)],
  ["L4: who does not read keeps no slot", () => profiles.paused(server.url, truth, 16)],
  ["L5: the same request gives the same bytes", () => profiles.identical(server.url, truth, 30)],
  ["F16: who sends slowly keeps nobody waiting", () => slowClients(server.url, truth, 50, 0)],
  ["L8: what lives after collections stays what it was", () => mixed(0)],
  ["broken streams are resumed", () => profiles.resumed(server.url, truth)],
];

test.for(SHORT)("%s", { timeout: 120_000 }, async ([, run]) => {
  const { wrong } = await run();
  expect(wrong).toEqual([]);
});

test("L6: clients that come back at once when refused do not keep others out", async () => {
  const end = performance.now() + 1500;
  let refused = 0;
  const storm = Array.from({ length: 60 }, async (_, i) => {
    while (performance.now() < end) {
      const prompt = `Storm ${i}`;
      const ending = await ask(server.url, { prompt, tokens: 24, stream: false });
      if (ending.kind === "refused") refused++;
    }
  });
  await Promise.all(storm);
  expect(refused).toBeGreaterThan(0);
  expect(await untilIdle(server.url)).toBeLessThan(10_000);
  expect((await profiles.steady(server.url, truth, 4, 300)).wrong).toEqual([]);
}, 60_000);

test("F14: SIGTERM while streams run ends each complete or with an error, and the process with 0", async () => {
  const leaving = await startServer(["--drain-delay", "0", "--grace", "1"]);
  const endings = Array.from({ length: 12 }, (_, i): Promise<Ending> =>
    ask(leaving.url, { prompt: `Leaving ${i}`, tokens: i < 6 ? 8 : 1500, stream: true }),
  );
  await new Promise((resolve) => setTimeout(resolve, 150));
  leaving.child.kill("SIGTERM");
  for (const { kind } of await Promise.all(endings)) expect(["complete", "failed"]).toContain(kind);
  expect(await exitOf(leaving.child)).toBe(0);
}, 60_000);
