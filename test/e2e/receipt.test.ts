/** Receipts over HTTP, verified by the command: what a client gets from one server holds elsewhere. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli, startServer, type ServerProcess } from "../fixtures/cli.ts";

const MODEL = "sirocco-demo.q8_0";
const CHAT = {
  model: MODEL,
  messages: [{ role: "user" as const, content: "What makes a circuit breaker useful?" }],
};
/** A story with a lot of chance in it, so that another seed or another bit would show. */
const STORY = {
  model: MODEL,
  prompt: "Once upon a time",
  max_tokens: 40,
  temperature: 1.5,
  seed: 7,
  frequency_penalty: 0.5,
};
const ASKING = { headers: { "x-sirocco-receipt": "1" } };

describe("a receipt over HTTP", () => {
  let server: ServerProcess;
  let client: OpenAI;
  let folder = "";

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sirocco-receipt-"));
    server = await startServer(["--alias", MODEL, "-t", "2"]);
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });

  /** What `sirocco verify` says of an answer's receipt, in one thread. */
  async function verdict(
    answer: (object & { receipt?: object }) | undefined,
  ): Promise<{ same: boolean; tokens?: number }> {
    const path = join(folder, "receipt.json");
    await writeFile(path, JSON.stringify(answer?.receipt));
    const { stdout, stderr } = await runCli(["verify", path, "--json", "-t", "1"]);
    expect(stderr).toBe("");
    return JSON.parse(stdout) as { same: boolean };
  }
  test("of a chat is verified", async () => {
    const answer = await client.chat.completions.create(CHAT, ASKING);
    const { completion_tokens: tokens } = answer.usage!;
    // The token that ends the answer is none of it.
    expect(await verdict(answer)).toEqual({ same: true, tokens });
  });

  test("of a streamed chat, in its last chunk, is verified", async () => {
    const chunk = await last(
      await client.chat.completions.create({ ...CHAT, seed: 3, stream: true }, ASKING),
    );
    expect(chunk?.choices[0]?.finish_reason).toBe("stop");
    expect(await verdict(chunk)).toMatchObject({ same: true });
  });

  test("of a completion with a seed, beside others in the batch, is verified", async () => {
    const busy = client.completions.create({ ...STORY, seed: 8, max_tokens: 200 });
    const answer = await client.completions.create({ ...STORY, logprobs: 2 }, ASKING);
    expect(await verdict(answer)).toEqual({ same: true, tokens: STORY.max_tokens });
    await busy;
  });

  test("of a streamed completion that a stop string ends is verified", async () => {
    const asked = { ...STORY, temperature: 0, max_tokens: 200, stop: ["."], stream: true as const };
    const chunk = await last(await client.completions.create(asked, ASKING));
    expect(chunk?.choices[0]?.finish_reason).toBe("stop");
    expect(await verdict(chunk)).toMatchObject({ same: true });
  });

  test("of another answer is found out", async () => {
    const answer = await client.completions.create(STORY, ASKING);
    const { receipt } = answer as object as { receipt: { sampling: { seed: number } } };
    receipt.sampling.seed++;
    expect(await verdict(answer)).toMatchObject({ same: false });
  });

  test("is given to nobody who does not ask for it", async () => {
    const answers = [
      await client.chat.completions.create(CHAT),
      await client.completions.create(STORY, { headers: { "x-sirocco-receipt": "0" } }),
    ];
    for (const answer of answers) expect(answer).not.toHaveProperty("receipt");
  });

  test("is of one answer", async () => {
    const answer = client.completions.create({ ...STORY, n: 2 }, ASKING);
    await expect(answer).rejects.toMatchObject({ status: 400, code: "unsupported_parameter" });
  });

  test("is not guessed from another value", async () => {
    const headers = { "x-sirocco-receipt": "yes" };
    const answer = client.completions.create(STORY, { headers });
    await expect(answer).rejects.toMatchObject({ status: 400, param: "x-sirocco-receipt" });
  });
});

/** The last chunk of a stream; the others have no receipt. */
async function last<T extends object>(stream: AsyncIterable<T>): Promise<T | undefined> {
  const chunks: T[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  expect(chunks.slice(0, -1).filter((chunk) => "receipt" in chunk)).toEqual([]);
  return chunks.at(-1);
}
