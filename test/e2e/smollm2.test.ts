import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type ServerProcess } from "../fixtures/cli.ts";

const MODEL_FILE = fileURLToPath(
  new URL("../../.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf", import.meta.url),
);
const present = existsSync(MODEL_FILE);
const required = process.env["CI"] !== undefined && process.env["CI"] !== "";

describe.skipIf(!present && !required)(
  `SmolLM2-135M-Instruct over HTTP${present ? "" : " (skipped: run `npm run model:smollm2` first)"}`,
  () => {
    let server: ServerProcess | undefined;

    beforeAll(async () => {
      server = await startServer(["-m", MODEL_FILE, "--alias", "smollm2", "-c", "1024"]);
    });

    afterAll(async () => {
      await server?.stop();
    });

    test("knows the capital of France, through the openai client", async () => {
      const client = new OpenAI({ baseURL: `${server!.url}/v1`, apiKey: "none", maxRetries: 0 });
      const completion = await client.chat.completions.create({
        model: "smollm2",
        messages: [{ role: "user", content: "What is the capital of France?" }],
        temperature: 0,
        max_tokens: 24,
      });
      expect(completion.choices[0]?.message.content).toContain("Paris");
    });
  },
);
