import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { demoModelPath } from "../../adapters/node/package-root.ts";
import { runCli, startServer, type CliResult } from "../fixtures/cli.ts";
import { startLocalHub, type LocalHub } from "../fixtures/local-hub.ts";
import { tinyModelGguf } from "../fixtures/tiny-model.ts";

let store: string;
let hub: LocalHub;
beforeAll(async () => {
  store = await mkdtemp(join(tmpdir(), "store-"));
  hub = await startLocalHub();
  hub.files.set("model.Q8_0.gguf", tinyModelGguf(1));
});
afterAll(async () => {
  hub.close();
  await rm(store, { recursive: true, force: true });
});

const sirocco = (...args: readonly string[]): Promise<CliResult> =>
  runCli(args, {
    env: {
      SIROCCO_STORE: store,
      HF_ENDPOINT: hub.endpoint,
      HF_TOKEN: "secret",
      SIROCCO_MODEL_HOSTS: "127.0.0.1,localhost",
    },
  });

test("pull, list, show, run and rm know a model by its name", async () => {
  const pulled = await sirocco("pull", "hf:owner/model");
  expect(pulled).toMatchObject({ code: 0 });
  expect(pulled.stdout).toMatch(/^owner\/model:q8_0 .* license apache-2\.0\n$/);
  expect(pulled.stderr).toMatch(/1 file, .* license apache-2\.0/);
  expect(await sirocco("pull", demoModelPath(), "--name", "demo")).toMatchObject({ code: 0 });

  const listed = JSON.parse((await sirocco("list", "--json")).stdout) as { name: string }[];
  expect(listed.map(({ name }) => name)).toEqual(["demo", "owner/model:q8_0"]);
  expect((await sirocco("show", "model:q8_0")).stdout).toMatch(/^name +tiny-1\n/);
  const asked = await sirocco("run", "-m", "demo", "-n", "8", "Who are you?");
  expect(asked.stdout).toBe("I am a tiny demo model that ships\n");

  expect((await sirocco("rm", "demo", "model")).stdout).toMatch(/removed demo, 4\.6 MiB freed/);
  const gone = await sirocco("run", "-m", "demo", "Who are you?");
  expect(gone).toMatchObject({ code: 1 });
  expect(gone.stderr).toMatch(/no such file, and the store has no such model/);
});

test("ps lists what a server has in memory, and show its license", async () => {
  const server = await startServer();
  try {
    const { stdout } = await sirocco("ps", "--url", server.url);
    expect(stdout).toMatch(/sirocco-demo\.q8_0 +Q8_0 +[\d.]+ MiB +2048/);
    const shown = await fetch(`${server.url}/api/show`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "sirocco-demo.q8_0" }),
    });
    expect(await shown.json()).toMatchObject({ license: "MIT" });
  } finally {
    await server.stop();
  }
  expect(await sirocco("ps", "--url", server.url)).toMatchObject({ code: 1 });
});
