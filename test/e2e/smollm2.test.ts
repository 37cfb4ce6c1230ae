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

    const connect = (): OpenAI =>
      new OpenAI({ baseURL: `${server!.url}/v1`, apiKey: "none", maxRetries: 0 });

    test("streams to the openai client what it answers at once", async () => {
      const client = connect();
      const question = {
        model: "smollm2",
        messages: [{ role: "user" as const, content: "What is gravity? Answer in one sentence." }],
        temperature: 0,
        max_tokens: 32,
      };
      const whole = await client.chat.completions.create(question);
      const stream = await client.chat.completions.create({ ...question, stream: true });
      const pieces: string[] = [];
      for await (const chunk of stream) {
        const content = chunk.choices[0]?.delta.content;
        if (content) pieces.push(content);
      }
      expect(pieces.length).toBeGreaterThan(8);
      expect(pieces.join("")).toBe(whole.choices[0]?.message.content);
    });

    test("adds and explains, through the openai client", async () => {
      const client = connect();
      const answers = await Promise.all(
        ["What is 2 + 2?", "What is gravity? Answer in one sentence."].map(async (content) => {
          const completion = await client.chat.completions.create({
            model: "smollm2",
            messages: [{ role: "user", content }],
            temperature: 0,
            max_tokens: 32,
          });
          return completion.choices[0]?.message.content;
        }),
      );
      expect(answers).toEqual([
        "The answer is 4.",
        expect.stringMatching(/^Gravity is .*\bforce\b/) as string,
      ]);
    });
  },
);
