import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createUndiciTransport } from "../../adapters/node/pool/undici-transport.ts";
import { createPool, type Pool } from "../../core/pool/pool.ts";
import { createTranscript } from "../../core/pool/transcript.ts";
import { startServer, type ServerProcess } from "../fixtures/cli.ts";
import { startFaultProxy, type FaultProxy } from "../fixtures/fault-proxy.ts";
import { ask, metricsOf } from "../soak/client.ts";
import { killing, startKillRig, type KillRig } from "../soak/kills.ts";

/** `SIROCCO_KILLS=50` for the full form. */
const KILLS = Number(process.env["SIROCCO_KILLS"] ?? 5);

describe("a pool whose nodes are killed while they answer", () => {
  let rig: KillRig;
  beforeAll(async () => {
    rig = await startKillRig();
  }, 60_000);
  afterAll(() => rig?.close());

  test("loses no answer and gives no wrong one", { timeout: 60_000 + KILLS * 20_000 }, async () => {
    const { figures, wrong } = await killing(rig, KILLS, 3000);
    console.log(figures);
    expect(wrong).toEqual([]);
    expect(figures["back after ready, ms at most"]).toBeLessThan(5000);
  });
});

describe("a wire with faults", () => {
  let server: ServerProcess;
  let proxies: FaultProxy[];
  let pool: Pool;
  let url: string;
  let edge: ServerProcess;
  let text: string;
  beforeAll(async () => {
    server = await startServer(["--threads", "1"]);
    const port = Number(new URL(server.url).port);
    proxies = [await startFaultProxy(port), await startFaultProxy(port)];
    const nodes = proxies.flatMap(({ host }, i) => ["--pool", `n${i}=http://${host}`]);
    edge = await startServer(["--no-model", ...nodes]);
    ({ url } = edge);
    ({ text } = await ask(server.url, { prompt: "A clock is", tokens: 64, stream: false }));
  }, 60_000);
  afterAll(async () => {
    await edge?.stop();
    await pool?.close();
    await server?.stop();
    for (const proxy of proxies ?? []) await proxy.close();
  });

  const FAULTS: readonly (readonly [
    string,
    (proxy: FaultProxy) => unknown,
    (proxy: FaultProxy) => unknown,
  ])[] = [
    ["takes no connections", (proxy) => proxy.refuse(true), (proxy) => proxy.refuse(false)],
    ["resets", (proxy) => proxy.reset(), () => {}],
    [
      "ends answers too early",
      (proxy) => proxy.truncateAfter(1500),
      (proxy) => proxy.truncateAfter(Infinity),
    ],
    ["is slow", (proxy) => proxy.delay(200), (proxy) => proxy.delay(0)],
    [
      "swallows",
      (proxy) => proxy.blackHole(true),
      (proxy) => (proxy.blackHole(false), proxy.reset()),
    ],
  ];

  test.for(FAULTS)(
    "one that %s: nothing is lost; it is used again when it is whole",
    { timeout: 30_000 },
    async ([, begin, end]) => {
      const first = proxies[0]!;
      const running = Array.from({ length: 6 }, (_, i) =>
        ask(url, { prompt: "A clock is", tokens: 64, stream: i % 2 === 0 }),
      );
      await new Promise((resolve) => setTimeout(resolve, 30));
      await begin(first);
      for (let i = 0; i < 6; i++)
        running.push(ask(url, { prompt: "A clock is", tokens: 64, stream: true }));
      for (const ending of await Promise.all(running))
        expect(ending).toMatchObject({ kind: "complete", text });
      await end(first);
      await expect
        .poll(async () => (await metricsOf(url)).get("sirocco_pool_node_in"), { timeout: 5000 })
        .toBe(2);
    },
  );

  test("a reader who stops stops the node, and goes on where it was", async () => {
    const transport = createUndiciTransport();
    pool = createPool({
      nodes: [{ name: "n", origin: server.url }],
      transport,
      now: () => performance.now(),
      random: Math.random,
      log: () => {},
    });
    await pool.tend();
    const [model] = pool.models();
    const leaving = new AbortController();
    const events = pool.answer(
      {
        path: "/v1/completions",
        body: JSON.stringify({
          model: model!.id,
          prompt: "A clock is",
          max_tokens: 1500,
          temperature: 0,
          logit_bias: { 2: -100 },
        }),
        headers: () => ({}),
        fingerprint: model!.fingerprint,
        affinity: "",
        signal: leaving.signal,
        transcript: createTranscript(),
        relay: { fingerprint: model!.fingerprint, seed: 1 },
        onBegun: () => {},
      },
      leaving.signal,
    );
    await events.next();
    await events.next();
    leaving.abort();
    await events.return();
    await expect
      .poll(async () => (await metricsOf(server.url)).get("vllm:num_requests_running"))
      .toBe(0);
    const generated = (await metricsOf(server.url)).get("vllm:generation_tokens_total")!;
    expect(generated).toBeGreaterThan(0);
  });
});
