import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type ServerProcess } from "../fixtures/cli.ts";
import { shared } from "../fixtures/shared.ts";
import { spearman } from "../fixtures/spearman.ts";

const MODELS = new URL("../../.cache/models/", import.meta.url);
const GEMMA = fileURLToPath(new URL("gemma-3-270m-q4_k_m.gguf", MODELS));
const MINILM = fileURLToPath(new URL("all-MiniLM-L6-v2/", MODELS));
const required = process.env["CI"] !== undefined && process.env["CI"] !== "";

/** Tests of a model over HTTP. */
function describeModel(
  name: string,
  model: string,
  args: readonly string[],
  tests: (connect: () => OpenAI) => void,
): void {
  const present = existsSync(model);
  const why = present ? "" : " (skipped: run `npm run model:families` first)";
  describe.skipIf(!present && !required)(`${name} over HTTP${why}`, () => {
    let server: ServerProcess | undefined;
    beforeAll(async () => {
      server = await startServer(["-m", model, "--alias", "m", ...args]);
    });
    afterAll(async () => {
      await server?.stop();
    });
    tests(() => new OpenAI({ baseURL: `${server!.url}/v1`, apiKey: "none", maxRetries: 0 }));
  });
}

describeModel("Gemma 3 270M", GEMMA, ["-c", "1024"], (connect) => {
  // A base model: it goes on, and has no template to chat with.
  test.each([
    ["Water freezes at a temperature of", /^ 0\s?°C/],
    ["Once upon a time, there was a little girl named", /^ \w+\. She/],
  ])("goes on after %j", async (prompt, expected) => {
    const completion = await connect().completions.create({
      model: "m",
      prompt,
      temperature: 0,
      max_tokens: 16,
    });
    expect(completion.choices[0]?.text).toMatch(expected);
  });
});

/** Rows of a file of comma-separated values, of which some are quoted. */
function parseCsv(text: string): string[][] {
  return text
    .trim()
    .split(/\r?\n/)
    .map((line) =>
      [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map(([, field = ""]) =>
        field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field,
      ),
    );
}

describeModel("all-MiniLM-L6-v2", MINILM, [], (connect) => {
  const embed = async (input: string[]): Promise<number[][]> => {
    const { data } = await connect().embeddings.create({ model: "m", input });
    return data.map(({ embedding }) => embedding);
  };

  test("gives the vectors that sentence-transformers gives", async () => {
    // The first eight numbers of 384, by sentence-transformers 6.2.0.
    const expected = [
      [0.043934, 0.058934, 0.048178, 0.077548, 0.026744, -0.03763, -0.002605, -0.059943],
      [0.022777, 0.066666, 0.016521, -0.023621, -0.00391, 0.072641, 0.078561, 0.026623],
    ];
    const vectors = await embed([
      "The quick brown fox jumps over the lazy dog.",
      "Über die Brücke läuft ein Hund.",
    ]);
    for (const [i, row] of expected.entries()) {
      expect(vectors[i]).toHaveLength(384);
      for (const [j, value] of row.entries()) expect(vectors[i]![j]).toBeCloseTo(value, 5);
    }
  });

  const pairs = shared("data/rag/stsb-en-dev.csv");
  test.skipIf(pairs === undefined)(
    `judges pairs of STS-B as sentence-transformers does${pairs === undefined ? " (skipped: ../shared/data not present)" : ""}`,
    { timeout: 120_000 },
    async () => {
      // Every fifth of the 1500 pairs: all of them take minutes beside other tests.
      const rows = parseCsv(readFileSync(pairs!, "utf8")).filter((_, i) => i % 5 === 0);
      expect(rows).toHaveLength(300);
      const [first, second] = [
        await embed(rows.map(([text]) => text!)),
        await embed(rows.map(([, text]) => text!)),
      ];
      const similar = first.map((vector, i) =>
        vector.reduce((sum, value, j) => sum + value * second[i]![j]!, 0),
      );
      const judged = rows.map(([, , score]) => Number(score));
      // sentence-transformers has 88.41 points on these pairs, and 86.72 on all.
      expect(Math.abs(100 * spearman(similar, judged) - 88.41)).toBeLessThanOrEqual(0.5);
    },
  );

  test("says that it embeds only, and refuses to chat", async () => {
    const model = await connect().models.retrieve("m");
    expect(model).toMatchObject({
      max_context_length: 512,
      sirocco: { capabilities: { chat: false, completion: false, embed: true } },
    });
    const messages = [{ role: "user" as const, content: "hi" }];
    const chat = connect().chat.completions.create({ model: "m", messages });
    await expect(chat).rejects.toMatchObject({ status: 400, param: "model" });
  });

  test("refuses a text that it cannot see as a whole", async () => {
    const long = embed(["dog ".repeat(511)]);
    await expect(long).rejects.toMatchObject({ status: 400, code: "context_length_exceeded" });
    expect(await embed(["dog ".repeat(510)])).toHaveLength(1);
  });
});
