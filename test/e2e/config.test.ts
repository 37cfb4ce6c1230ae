import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runCli, startServer } from "../fixtures/cli.ts";

interface Made {
  readonly key: string;
  readonly entry: { readonly id: string; readonly hash: string };
}

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sirocco-config-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

function configure(config: object): string {
  const path = join(folder, "sirocco.json");
  // As editors do: another file in its place.
  writeFileSync(`${path}.new`, JSON.stringify(config));
  renameSync(`${path}.new`, path);
  return path;
}

async function makeKey(id: string, ...flags: string[]): Promise<Made> {
  const { stdout } = await runCli(["keys", "create", "--id", id, ...flags]);
  return JSON.parse(stdout) as Made;
}

describe("sirocco keys", () => {
  test("create prints a key whose hash is what hash prints", async () => {
    const { key, entry } = await makeKey("a", "--scope", "metrics", "--requests-per-minute", "5");
    expect(entry).toMatchObject({ id: "a", scopes: ["metrics"], requests_per_minute: 5 });
    const { stdout } = await runCli(["keys", "hash"], { input: `${key}\n` });
    expect(stdout.trim()).toBe(entry.hash);
    expect((await runCli(["keys", "hash"])).code).toBe(2);
    expect((await runCli(["keys", "create", "--id", "a", "--scope", "x"])).code).toBe(2);
  });
});

describe("sirocco serve --config", () => {
  test("reads keys and limits again when the file changes, and running streams go on", async () => {
    const [first, second] = [await makeKey("first"), await makeKey("second")];
    const path = configure({ port: 1, keys: [first.entry] });
    const server = await startServer(["--config", path]);
    try {
      const models = async (key: string) =>
        (await fetch(`${server.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } }))
          .status;
      expect(await models(first.key)).toBe(200);
      expect(await models(second.key)).toBe(401);
      expect((await fetch(`${server.url}/metrics`)).status).toBe(401);
      expect((await fetch(`${server.url}/livez`)).status).toBe(200);

      const stream = await fetch(`${server.url}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${first.key}` },
        body: JSON.stringify({
          model: "sirocco-demo.q8_0",
          prompt: "Once upon a time",
          max_tokens: 300,
          temperature: 1,
          stream: true,
        }),
      });
      configure({ port: 1, keys: [second.entry], limits: { body_bytes: 10 } });
      await expect.poll(() => models(second.key)).toBe(200);
      expect(await models(first.key)).toBe(401);
      const large = await fetch(`${server.url}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${second.key}` },
        body: "{}".padEnd(100),
      });
      expect(large.status).toBe(413);
      expect(await stream.text()).toContain("data: [DONE]");

      // What cannot be used changes nothing; a signal makes it look again.
      configure({ keys: "none" });
      server.child.kill("SIGHUP");
      await expect.poll(() => server.log()).toContain('"event":"config_refused"');
      expect(server.log()).toContain("keys: ");
      expect(await models(second.key)).toBe(200);
      expect(server.child.exitCode).toBeNull();
    } finally {
      await server.stop();
    }
  });

  test("reads the pool again when the file changes, and refuses to be without one", async () => {
    const node = await startServer(["--threads", "1"]);
    const path = configure({ model: false, pool: [`old=${node.url}`] });
    const edge = await startServer(["--config", path]);
    try {
      const served = async () => {
        const response = await fetch(`${edge.url}/v1/completions`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ model: "sirocco-demo.q8_0", prompt: "A", max_tokens: 1 }),
        });
        await response.text();
        return response.headers.get("x-sirocco-served-by");
      };
      expect(await served()).toContain('node="old"');
      configure({ model: false, pool: [`new=${node.url}`] });
      await expect.poll(served).toContain('node="new"');
      expect(edge.log()).toContain('"event":"pool_node_removed","node":"old"');
      for (const pool of [[], ["ftp://nowhere"]]) {
        configure({ model: false, pool });
        const refusals = () => edge.log().split('"event":"config_refused"').length - 1;
        await expect.poll(refusals).toBe(pool.length + 1);
        expect(await served()).toContain('node="new"');
      }
    } finally {
      await edge.stop();
      await node.stop();
    }
  });

  test("what is wrong with it is one line with the path of the setting, exit code 2", async () => {
    const { code, stderr } = await runCli(["serve", "--config", configure({ limits: { x: 1 } })]);
    expect(code).toBe(2);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).toMatch(/sirocco\.json: limits\.x: there is no such setting/);
    expect((await runCli(["serve", "--config", join(folder, "absent.json")])).stderr).toContain(
      "ENOENT",
    );
  });

  test("--api-key lets one key do everything, and a loopback server only answers to its names", async () => {
    const server = await startServer(["--api-key", "sk-test"]);
    try {
      const headers = { authorization: "Bearer sk-test" };
      expect((await fetch(`${server.url}/v1/models`)).status).toBe(401);
      expect((await fetch(`${server.url}/metrics`, { headers })).status).toBe(200);
      const status = await new Promise<number | undefined>((resolve, reject) => {
        const foreign = { headers: { ...headers, host: "evil.example" } };
        get(`${server.url}/v1/models`, foreign, (response) => {
          response.resume();
          resolve(response.statusCode);
        }).on("error", reject);
      });
      expect(status).toBe(403);
    } finally {
      await server.stop();
    }
  });
});
