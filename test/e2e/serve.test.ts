import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parsePrometheus } from "../fixtures/prometheus.ts";
import { exitOf, runCli, startServer, type ServerProcess } from "../fixtures/cli.ts";

const MODEL = "sirocco-demo.q8_0";
const QUESTION = "What makes a circuit breaker useful?";
const ANSWER =
  "A circuit breaker matters because waiting for a broken service wastes threads and time. " +
  "Failing fast keeps the rest of the system alive.";
/** Long enough to be interrupted. */
const STORY = { model: MODEL, prompt: "Once upon a time", max_tokens: 1500, temperature: 1 };

describe("sirocco serve", () => {
  let server: ServerProcess;
  let client: OpenAI;

  beforeAll(async () => {
    server = await startServer(["--alias", MODEL]);
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  });

  afterAll(async () => {
    await server?.stop();
  });

  test("answers a chat through the openai client", async () => {
    const completion = await client.chat.completions.create({
      model: MODEL,
      messages: [{ role: "user", content: QUESTION }],
      temperature: 0,
    });
    expect(completion.choices[0]).toMatchObject({
      finish_reason: "stop",
      message: { role: "assistant", content: ANSWER },
    });
    expect(completion.usage?.total_tokens).toBe(
      completion.usage!.prompt_tokens + completion.usage!.completion_tokens,
    );
  });

  test("tells what computes and why: probes by a code, the log in full, memory once", async () => {
    const [line] = /\{[^\n]*"event":"backend"[^\n]*/.exec(server.log()) ?? ["{}"];
    const record = JSON.parse(line) as Readonly<Record<string, string>>;
    expect(record).toMatchObject({ backend: expect.stringMatching(/^(wasm-|webgpu)/) as string });
    expect(record["detail"]).not.toBe("");
    const ready = await (await fetch(`${server.url}/readyz`)).text();
    expect(ready).toContain(`"backend_reason":"${record["reason"]}"`);
    expect(ready).not.toContain(record["detail"]);
    const { samples } = parsePrometheus(await (await fetch(`${server.url}/metrics`)).text());
    const labels = `model_name="${MODEL}",backend="${record["backend"]}",reason="${record["reason"]}"`;
    expect(samples.get(`sirocco_backend_info{${labels}}`)).toBe(1);
    // The file has 4.8 MB, of which WebAssembly makes 6.1; counted twice it would be 12.
    const weights = samples.get('sirocco_memory_bytes{kind="weights"}')!;
    expect(weights).toBeGreaterThan(4.5e6);
    expect(weights).toBeLessThan(8e6);
  });

  test("streams the same answer in pieces, with usage at the end", async () => {
    const stream = await client.chat.completions.create({
      model: MODEL,
      messages: [{ role: "user", content: QUESTION }],
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    });
    const pieces: string[] = [];
    let tokens = 0;
    for await (const chunk of stream) {
      const text = chunk.choices[0]?.delta.content;
      if (text !== undefined && text !== null && text !== "") pieces.push(text);
      tokens = chunk.usage?.completion_tokens ?? tokens;
    }
    expect(pieces.join("")).toBe(ANSWER);
    expect(pieces.length).toBeGreaterThan(10);
    expect(tokens).toBeGreaterThanOrEqual(pieces.length);
  });

  test("gives eight clients at once what each would get alone", async () => {
    const questions = [
      QUESTION,
      "Who are you?",
      "What is quantization?",
      "Name three metrics to watch.",
    ];
    const alone: (string | null | undefined)[] = [];
    for (const question of questions) alone.push(await ask(client, question));
    const together = await Promise.all(
      [...questions, ...questions].map((question) => ask(client, question)),
    );
    expect(together).toEqual([...alone, ...alone]);
  });

  test("frees the slot of a client that leaves in the middle of a stream", async () => {
    const stream = await client.completions.create({ ...STORY, stream: true });
    for await (const _ of stream) break;
    stream.controller.abort();
    await expect.poll(() => running(server.url), { timeout: 2000 }).toBe(0);
  });

  test("lists the model with its digest and context", async () => {
    const models = await client.models.list();
    expect(models.data).toMatchObject([
      {
        id: MODEL,
        object: "model",
        sirocco: {
          context_length: 2048,
          digest: "62fb4b5c9221be199d2d5b6c81ce13234310ef1be36b336ff02edb8639846972",
        },
      },
    ]);
  });

  test("logs requests as JSON lines without what was said", async () => {
    await client.chat.completions.create({
      model: MODEL,
      messages: [{ role: "user", content: "a secret that nobody logs" }],
      max_tokens: 1,
    });
    await expect.poll(() => server.log()).toContain('"path":"/v1/chat/completions"');
    expect(server.log()).not.toContain("secret");
    for (const line of server.log().trim().split("\n"))
      expect(() => JSON.parse(line)).not.toThrow();
  });
});

describe("sirocco serve, stopping", () => {
  test("SIGTERM lets a running stream end, refuses new work meanwhile and exits with 0", async () => {
    const server = await startServer(["--alias", MODEL, "--drain-delay", "0"]);
    try {
      const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
      const stream = await client.completions.create({ ...STORY, max_tokens: 400, stream: true });
      const events = stream[Symbol.asyncIterator]();
      await events.next();

      server.child.kill("SIGTERM");
      await expect.poll(async () => (await fetch(`${server.url}/readyz`)).status).toBe(503);
      const refused = await fetch(`${server.url}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(STORY),
      });
      expect(refused.status).toBe(503);
      expect(await refused.json()).toMatchObject({ error: { code: "draining" } });

      let finish: string | null | undefined;
      for (;;) {
        const next = await events.next();
        if (next.done === true) break;
        finish = next.value.choices[0]?.finish_reason ?? finish;
      }
      expect(["length", "stop"]).toContain(finish);
      expect(await exitOf(server.child)).toBe(0);
    } finally {
      await server.stop();
    }
  });

  test("after SIGTERM it serves on, unready, until load balancers have seen it; a second one does not wait", async () => {
    const server = await startServer(["--alias", MODEL]);
    try {
      server.child.kill("SIGTERM");
      await expect.poll(async () => (await fetch(`${server.url}/readyz`)).status).toBe(503);
      const served = await fetch(`${server.url}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...STORY, max_tokens: 1 }),
      });
      expect(served.status).toBe(200);
      server.child.kill("SIGTERM");
      expect(await exitOf(server.child)).toBe(143);
      expect(server.log()).not.toContain('"event":"stopped"');
    } finally {
      await server.stop();
    }
  });

  test("a second signal does not wait", async () => {
    const server = await startServer(["--alias", MODEL]);
    try {
      const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
      const stream = await client.completions.create({ ...STORY, stream: true });
      const events = stream[Symbol.asyncIterator]();
      await events.next();
      server.child.kill("SIGINT");
      await expect.poll(() => server.log()).toContain('"event":"leaving"');
      server.child.kill("SIGINT");
      expect(await exitOf(server.child)).toBe(130);
      const drained = (async () => {
        while ((await events.next()).done !== true);
      })();
      await expect(drained).rejects.toThrow();
    } finally {
      await server.stop();
    }
  });

  test("what runs longer than --grace ends with an error and not as if it were complete", async () => {
    const server = await startServer([
      "--alias",
      MODEL,
      "--drain-delay",
      "0",
      "--grace",
      "0.1",
      "--backend",
      "reference",
    ]);
    try {
      const response = await fetch(`${server.url}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...STORY, stream: true }),
      });
      server.child.kill("SIGTERM");
      const body = await response.text();
      expect(body).toContain('"error"');
      expect(body).not.toContain("[DONE]");
      expect(await exitOf(server.child)).toBe(0);
    } finally {
      await server.stop();
    }
  });
});

describe("sirocco serve, starting", () => {
  test("a port that is taken is one line that says what to do", async () => {
    const server = await startServer();
    try {
      const { port } = new URL(server.url);
      const { code, stderr } = await runCli(["serve", "--port", port]);
      expect(code).toBe(1);
      expect(stderr).toContain(`another program has this port; stop it or choose another`);
    } finally {
      await server.stop();
    }
  });

  test("a model that cannot be loaded ends the server with exit code 1", async () => {
    const { code, stderr } = await runCli(["serve", "--port", "0", "-m", "absent.gguf"]);
    expect(code).toBe(1);
    expect(stderr).toContain("sirocco: Cannot open absent.gguf: there is no such file");
  });
});

/** Requests that the engine works on, by the metric that dashboards read. */
async function running(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const [, value] = /^vllm:num_requests_running(?:\{[^}]*\})? (\S+)$/m.exec(text) ?? [];
  return Number(value);
}

async function ask(client: OpenAI, content: string): Promise<string | null | undefined> {
  const completion = await client.chat.completions.create({
    model: MODEL,
    messages: [{ role: "user", content }],
    temperature: 0,
  });
  return completion.choices[0]?.message.content;
}
