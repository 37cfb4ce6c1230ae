import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { hasRedis, startRedis, type RedisServer } from "./adapters/cache/redis-server.ts";
import { exitOf, startServer, type ServerProcess } from "./fixtures/cli.ts";
import { freePort } from "./fixtures/free-port.ts";
import { ask } from "./soak/client.ts";

/** The commands of `examples/cpu-pool`, each a process of this machine instead of a machine. */

const FOLDER = fileURLToPath(new URL("../examples/cpu-pool/", import.meta.url));
const SECRETS = { POOL_KEY: "sk-the-pools-own", CACHE_SECRET: "a secret of this pool" };

interface Service {
  readonly command: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** A command's words, with machines by their ports here. */
function localised(
  command: string,
  ports: Readonly<Record<string, number>>,
  own: string,
): string[] {
  const [program, ...words] = command.trim().split(/\s+/);
  expect(program).toMatch(/^(\/usr\/local\/bin\/sirocco|serve)$/);
  const flags = program === "serve" ? words : words.slice(1);
  return flags.map((word, i) => {
    if (flags[i - 1] === "--port") return String(ports[own]);
    if (flags[i - 1] === "--drain-delay") return "1";
    const here = word.replace("0.0.0.0", "127.0.0.1");
    return here.replace(/([a-z-]+):(8080|6379)$/, (_, name: string) => `127.0.0.1:${ports[name]}`);
  });
}

describe.skipIf(!hasRedis())("the pool of compose.yaml", () => {
  let redis: RedisServer;
  const servers: Record<string, ServerProcess> = {};
  const { services } = parse(readFileSync(`${FOLDER}compose.yaml`, "utf8")) as {
    services: Record<string, Service>;
  };

  beforeAll(async () => {
    redis = await startRedis();
    const ports: Record<string, number> = { redis: redis.port };
    for (const name of ["front", "node-a", "node-b"]) ports[name] = await freePort();
    for (const name of ["node-a", "node-b", "front"]) {
      const { command, environment = {} } = services[name]!;
      const env = Object.fromEntries(
        Object.entries(environment).map(([key, value]) => [
          key,
          value.replace(/\$\{(\w+):\?\}/, (_, secret: keyof typeof SECRETS) => SECRETS[secret]),
        ]),
      );
      servers[name] = await startServer(
        [...localised(command, ports, name), "--threads", "1"],
        env,
      );
    }
  }, 120_000);
  afterAll(async () => {
    await Promise.all(Object.values(servers).map((server) => server.stop()));
    await redis?.close();
  });

  test("answers at one address, keeps what it answered, and lets nobody else at its machines", async () => {
    const front = servers["front"]!.url;
    const asking = { prompt: "A clock is", tokens: 32, stream: true };
    const first = await ask(front, asking);
    expect(first.kind).toBe("complete");
    await expect
      .poll(async () => {
        const body = {
          model: "sirocco-demo.q8_0",
          prompt: "A clock is",
          max_tokens: 32,
          temperature: 0,
        };
        const response = await fetch(`${front}/v1/completions`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        });
        return response.headers.get("cache-status");
      })
      .toContain("hit");
    expect((await ask(servers["node-a"]!.url, asking)).status).toBe(401);
  });

  test("goes on without a gap while a machine is replaced", async () => {
    const front = servers["front"]!.url;
    const node = servers["node-a"]!;
    const endings: string[] = [];
    let turn = 0;
    const leaving = exitOf(node.child);
    node.child.kill("SIGTERM");
    const clients = [1, 2, 3].map(async () => {
      for (let i = 0; i < 15; i++) {
        const asking = { prompt: `A note ${turn++}:`, tokens: 32, stream: i % 2 === 0 };
        const { kind, code } = await ask(front, asking);
        endings.push(`${kind} ${code ?? ""}`);
      }
    });
    await Promise.all(clients);
    expect(new Set(endings)).toEqual(new Set(["complete "]));
    expect(await leaving).toBe(0);
  }, 60_000);
});

test("the units of systemd start what compose.yaml starts", async () => {
  const port = await freePort();
  const ports = { node: port, front: await freePort(), "node-a": port, "node-b": port };
  const started: ServerProcess[] = [];
  try {
    for (const [unit, name, env] of [
      ["sirocco-node.service", "node", { SIROCCO_API_KEY: SECRETS.POOL_KEY }],
      ["sirocco-front.service", "front", { SIROCCO_POOL_KEY: SECRETS.POOL_KEY }],
    ] as const) {
      const [, command = ""] = /^ExecStart=(.*)$/m.exec(readFileSync(FOLDER + unit, "utf8")) ?? [];
      started.push(await startServer(localised(command, ports, name), env));
    }
    const { kind } = await ask(started[1]!.url, { prompt: "Rivers", tokens: 8, stream: false });
    expect(kind).toBe("complete");
  } finally {
    for (const server of started) await server.stop();
  }
}, 60_000);
