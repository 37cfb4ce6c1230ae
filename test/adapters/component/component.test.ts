import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask, rawPrompt } from "../../../adapters/node/cli/answering.ts";
import { loadLocal } from "../../../adapters/node/load.ts";
import { demoModelPath } from "../../../adapters/node/package-root.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import { hasStories260k, stories260kGguf } from "../../fixtures/stories260k.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const HOST = fileURLToPath(new URL("host.py", import.meta.url));
const COMPONENT = join(ROOT, ".cache/component/sirocco.wasm");
const WASMTIME = "wasmtime==50.0.1";
const PACKAGES = join(ROOT, ".cache", WASMTIME.replace("==", "-"));
const CONTEXT = 512;
const LIMIT = 64;
const required = process.env["CI"] !== undefined && process.env["CI"] !== "";

/** What the host prints. */
interface Report {
  readonly model?: Readonly<Record<string, unknown>>;
  readonly prompt?: number;
  readonly tokens?: readonly number[];
  readonly text?: string;
  readonly code?: string;
}

function hasPip(): boolean {
  try {
    execFileSync("python3", ["-m", "pip", "--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** What is asked of a model file. */
interface Question {
  readonly model: string;
  readonly how: "prompt" | "chat";
  readonly text: string;
}

async function host(questions: readonly Question[]): Promise<Report[]> {
  const asked = questions.map((question) => ({ ...question, context: CONTEXT, limit: LIMIT }));
  const env = { ...process.env, PYTHONPATH: PACKAGES };
  const { stdout } = await run("python3", [HOST, COMPONENT, JSON.stringify(asked)], { env });
  return JSON.parse(stdout) as Report[];
}

/** The same answer from sirocco itself. */
async function own({ model, how, text }: Question): Promise<Report> {
  const loaded = await loadLocal({ model, inProcess: true, backend: "wasm", contextSize: CONTEXT });
  try {
    const prompt =
      how === "prompt"
        ? rawPrompt(loaded, text, false)
        : loaded.template!.tokens([{ role: "user", content: text }], { addGenerationPrompt: true });
    const maxTokens = Math.min(LIMIT, CONTEXT - prompt.length);
    const { tokens } = await ask(loaded, { prompt, maxTokens, sampling: GREEDY });
    return { prompt: prompt.length, tokens };
  } finally {
    await loaded.close();
  }
}

const demo = demoModelPath();
const DEMO_QUESTIONS: readonly Question[] = [
  { model: demo, how: "chat", text: "What is quantization?" },
  { model: demo, how: "chat", text: "Wie heißt du? 🌬️" },
  { model: demo, how: "prompt", text: "Once upon a time" },
];

describe.skipIf(!required && !hasPip())("the engine as a component, run by wasmtime", () => {
  let folder = "";
  let story: Question | undefined;
  let answers = new Map<Question, Report>();
  const noModel: Question = { model: "", how: "prompt", text: "Hello" };
  const tooLong: Question = { model: demo, how: "prompt", text: "word ".repeat(CONTEXT) };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sirocco-component-"));
    await run(process.execPath, [join(ROOT, "scripts/component.mjs")], { cwd: ROOT });
    if (!existsSync(PACKAGES)) {
      const quiet = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore"];
      await run("python3", ["-m", "pip", "install", ...quiet, "--target", PACKAGES, WASMTIME]);
    }
    const file = join(folder, "no-model.gguf");
    await writeFile(file, "This is no model.");
    const asked = [...DEMO_QUESTIONS, { ...noModel, model: file }, tooLong];
    if (hasStories260k) {
      const model = join(folder, "stories260k.gguf");
      await writeFile(model, stories260kGguf());
      story = { model, how: "prompt", text: "Once upon a time" };
      asked.push(story);
    }
    // One process: compiling SpiderMonkey takes most of the time.
    const reports = await host(asked);
    const keys = [...DEMO_QUESTIONS, noModel, tooLong, ...(story === undefined ? [] : [story])];
    answers = new Map(keys.map((key, i) => [key, reports[i]!]));
  }, 300_000);

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  test.for(DEMO_QUESTIONS)("$how: $text gives the tokens of sirocco itself", async (question) => {
    const answer = answers.get(question);
    expect(answer).toMatchObject(await own(question));
    expect(answer?.tokens?.length).toBeGreaterThan(5);
    expect(answer?.model).toEqual({
      architecture: "llama",
      "vocab-size": 2048,
      "context-length": CONTEXT,
    });
  });

  test("the bytes of tokens are the text", () => {
    expect(answers.get(DEMO_QUESTIONS[0]!)?.text).toMatch(
      /^ Quantization stores model weights with fewer bits/,
    );
  });

  test.skipIf(!hasStories260k)("stories260K tells the same story", async () => {
    const answer = answers.get(story!);
    expect(answer).toMatchObject(await own(story!));
    expect(answer?.tokens).toHaveLength(LIMIT);
  });

  test("what is no model, and what does not fit, is a failure with its code", () => {
    expect(answers.get(noModel)?.code).toBe("MODEL_MALFORMED");
    expect(answers.get(tooLong)?.code).toBe("CONTEXT_LENGTH_EXCEEDED");
  });
});
