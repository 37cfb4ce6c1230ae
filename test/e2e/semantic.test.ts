import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type ServerProcess } from "../fixtures/cli.ts";

const MINILM = fileURLToPath(new URL("../../.cache/models/all-MiniLM-L6-v2/", import.meta.url));
const required = process.env["CI"] !== undefined && process.env["CI"] !== "";
const present = existsSync(MINILM);
const why = present ? "" : " (skipped: run `npm run model:families` first)";

describe.skipIf(!present && !required)(`--semantic-cache with all-MiniLM-L6-v2${why}`, () => {
  let server: ServerProcess | undefined;
  beforeAll(async () => {
    server = await startServer(["--alias", "m", "--cache", "memory", "--semantic-cache", MINILM]);
    await untilProved();
  }, 120_000);
  afterAll(async () => {
    await server?.stop();
  });

  const url = () => server!.url;
  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`${url()}/metrics`)).text();
    return Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1] ?? Number.NaN);
  }
  async function untilProved(): Promise<void> {
    while ((await metric("sirocco_semantic_cache_on")) !== 1)
      await new Promise((resolve) => setTimeout(resolve, 200));
  }
  async function ask(content: string): Promise<{ status: string; id: string; entry: string }> {
    const response = await fetch(`${url()}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: "m",
        temperature: 0,
        max_tokens: 8,
        messages: [{ role: "user", content }],
      }),
    });
    const { id } = (await response.json()) as { id: string };
    const { headers } = response;
    const entry = headers.get("x-sirocco-semantic-entry") ?? "";
    return { status: headers.get("cache-status") ?? "", id, entry };
  }

  test("is proved on the polarity suite, then answers what asks the same and nothing else", async () => {
    const first = await ask("What is the capital of France?");
    expect(first.status).toBe("sirocco; fwd=miss");
    const same = await ask("could you please tell me what the capital of france is");
    expect(same.status).toMatch(/^sirocco; hit; ttl=\d+; detail=semantic$/);
    expect(same.id).toBe(first.id);
    expect(same.entry).toMatch(new RegExp(`^${first.id}; similarity=(?:0\\.9[7-9]|1\\.0)\\d*$`));
    for (const other of [
      "What is the capital of Spain?",
      "What was the capital of France?",
      "What is not the capital of France?",
      "What is the capital of France in 1942?",
    ])
      expect((await ask(other)).status, other).toBe("sirocco; fwd=miss");

    const evicting = `${url()}/admin/semantic-cache/${first.id}`;
    expect((await fetch(evicting, { method: "DELETE" })).status).toBe(200);
    expect((await ask("Hi, what's the capital of France?")).status).toBe("sirocco; fwd=miss");
  });
});
