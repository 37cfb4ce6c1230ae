/** A client that leaves a real server of each runtime. workerd's is in test/edge. */
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exitOf } from "../fixtures/cli.ts";
import { isMissing, SCRIPT_RUNTIMES } from "../fixtures/runtimes.ts";

const SCRIPT = fileURLToPath(new URL("serve-demo.mjs", import.meta.url));
/** Without the end-of-sequence token (2) an answer goes on until its limit. */
const ENDLESS = {
  model: "sirocco-demo.q8_0",
  messages: [{ role: "user", content: "What is quantization?" }],
  max_tokens: 1900,
  logit_bias: { 2: -100 },
};
/** A step takes less than a millisecond; the rest is for a busy machine. */
const LEAVING_MS = 250;

describe.for([...SCRIPT_RUNTIMES])("serve() on $name", (runtime) => {
  const missing = isMissing(runtime.binary);
  let child: ChildProcess | undefined;
  let url = "";

  beforeAll(async () => {
    if (missing) return;
    const adapter = runtime.name.toLowerCase().split(" ")[0]!;
    const server = spawn(runtime.binary, [...runtime.arguments, SCRIPT, adapter]);
    child = server;
    url = await new Promise<string>((resolve, reject) => {
      let said = "";
      server.stderr.on("data", (text: Buffer) => (said += text.toString()));
      server.stdout.once("data", (text: Buffer) => resolve(text.toString().trim()));
      server.once("close", (code) => reject(new Error(`It ended with ${code}: ${said}`)));
    });
  });
  afterAll(async () => {
    if (child === undefined) return;
    child.kill("SIGKILL");
    await exitOf(child);
  });

  for (const stream of [true, false]) {
    test.skipIf(missing)(
      `frees the slot of a client that leaves ${stream ? "a stream" : "before its answer"}`,
      async () => {
        const before = await metric(url, "vllm:generation_tokens_total");
        const leaving = new AbortController();
        const response = fetch(`${url}/v1/chat/completions`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ ...ENDLESS, stream }),
          signal: leaving.signal,
        });
        response.catch(() => {});
        await until(async () => (await metric(url, "vllm:num_requests_running")) > 0);
        leaving.abort();
        const left = performance.now();
        await until(async () => (await metric(url, "vllm:num_requests_running")) === 0);
        expect(performance.now() - left).toBeLessThan(LEAVING_MS);
        const generated = (await metric(url, "vllm:generation_tokens_total")) - before;
        // Otherwise the answer had come to its end, and nothing was shown.
        expect(generated).toBeLessThan(ENDLESS.max_tokens);
      },
    );
  }
});

async function metric(url: string, name: string): Promise<number> {
  const lines = (await (await fetch(`${url}/metrics`)).text()).split("\n");
  return Number(
    lines
      .find((line) => line.startsWith(name))
      ?.split(" ")
      .at(-1) ?? 0,
  );
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
