import { describe, expect, test } from "vitest";
import { physicalCores } from "../../adapters/node/cores.ts";
import { demoModelPath } from "../../adapters/node/mod.ts";
import { CHOICE_REASONS } from "../../core/tensor/choice.ts";
import { exitOf, runCli, spawnCli } from "../fixtures/cli.ts";

const DEMO_DIGEST = "62fb4b5c9221be199d2d5b6c81ce13234310ef1be36b336ff02edb8639846972";
const QUESTION = "What makes a circuit breaker useful?";
/** The answer that examples/demo-model/README.md documents. */
const ANSWER =
  "A circuit breaker matters because waiting for a broken service wastes threads and time. " +
  "Failing fast keeps the rest of the system alive.";

/** What `run --json` promises to scripts. */
interface RunJson {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly finish_reason: string;
  readonly usage: Readonly<Record<string, number>>;
  readonly timings: Readonly<Record<string, number | null>>;
  readonly backend: string;
  readonly threads: number;
  readonly model: { readonly digest: string };
}

describe("sirocco run", () => {
  test("answers a question with the demo model and tells the speed on stderr", async () => {
    const { code, stdout, stderr } = await runCli(["run", QUESTION]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${ANSWER}\n` });
    expect(stderr).toMatch(
      /^\d+ tokens at [\d.]+ tokens\/s, first after \d+ ms, \S+, \d+ threads?\n$/,
    );
  });

  test("--json tells everything about an answer in one line", async () => {
    const { code, stdout } = await runCli(["run", QUESTION, "--temperature", "0", "--json"]);
    expect(code).toBe(0);
    const result = JSON.parse(stdout) as RunJson;
    expect(result).toMatchObject({ text: ANSWER, finish_reason: "stop", threads: physicalCores() });
    expect(result.tokens).toHaveLength(result.usage["completion_tokens"]!);
    expect(result.usage["total_tokens"]).toBe(
      result.usage["prompt_tokens"]! + result.usage["completion_tokens"]!,
    );
    expect(result.timings["load_ms"]).toBeGreaterThan(0);
    expect(result.timings["decode_per_second"]).toBeGreaterThan(0);
    expect(result.model.digest).toBe(DEMO_DIGEST);
  });

  test("every backend gives the same tokens for the same greedy prompt", async () => {
    const answers = await Promise.all(
      ["wasm", "reference"].map(async (backend) => {
        const args = ["run", "-p", "Once upon a time", "-n", "12", "--temp", "0", "--json"];
        const { stdout } = await runCli([...args, "--backend", backend]);
        return JSON.parse(stdout) as RunJson;
      }),
    );
    expect(answers[0]?.backend).toMatch(/^wasm-/);
    expect(answers[1]?.backend).toBe("reference");
    expect(answers[0]?.tokens).toEqual(answers[1]?.tokens);
    expect(answers.map(({ finish_reason: reason }) => reason)).toEqual(["length", "length"]);
  });

  test("the same seed repeats an answer that another seed does not give", async () => {
    const [first, again, other] = await Promise.all([
      sampleTokens("7"),
      sampleTokens("7"),
      sampleTokens("8"),
    ]);
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  test("--stop ends the answer before that text", async () => {
    const { stdout } = await runCli(["run", QUESTION, "--stop", "wastes"]);
    expect(stdout).toBe("A circuit breaker matters because waiting for a broken service \n");
  });

  test("Ctrl-C ends the answer, keeps what was said and exits with 130", async () => {
    const child = spawnCli(["run", "-p", "Once upon a time", "-n", "1500", "--temp", "1"]);
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (piece: string) => {
      if (text === "") child.kill("SIGINT");
      text += piece;
    });
    expect(await exitOf(child)).toBe(130);
    expect(text).not.toBe("");
  });

  test("a missing model file is one line that names it and exit code 1", async () => {
    const { code, stdout, stderr } = await runCli(["run", "-m", "absent.gguf", "Hello"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toBe(
      "sirocco: Cannot open absent.gguf: there is no such file, and the store has no such model (sirocco list)\n",
    );
  });

  test("a prompt that does not fit says what would", async () => {
    const { code, stderr } = await runCli(["run", "-c", "16", "-p", "word ".repeat(40)]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^sirocco: Cannot answer: the prompt has \d+ tokens, .*--ctx-size\n$/);
  });

  test.each([
    ["no prompt", ["run"]],
    ["two prompts", ["run", "Hello", "-p", "Hello"]],
    ["a number that is none", ["run", "Hello", "-n", "many"]],
    ["a backend that does not exist", ["run", "Hello", "--backend", "abacus"]],
    ["a flag that does not exist", ["run", "--frobnicate"]],
    ["a command that does not exist", ["frobnicate"]],
  ])("%s is a usage error: exit code 2 and nothing on stdout", async (_, args) => {
    const { code, stdout, stderr } = await runCli(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).not.toBe("");
  });
});

describe("sirocco tokenize", () => {
  test("--json prints the ids alone", async () => {
    const { code, stdout } = await runCli(["tokenize", "--text", "Hello world", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(expect.arrayContaining([expect.any(Number)]) as number[]);
  });

  test("a control token's spelling is text, and that token with --special", async () => {
    expect(await instTokens("--special")).toHaveLength(1);
    expect((await instTokens()).length).toBeGreaterThan(1);
  });
});

describe("sirocco chat", () => {
  test("answers each line of piped input and remembers the conversation until /reset", async () => {
    const input = `${QUESTION}\n/reset\n${QUESTION}\n/exit\nnever asked\n`;
    const { code, stdout } = await runCli(["chat"], { input });
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${ANSWER}\n${ANSWER}\n` });
  });
});

describe("sirocco show", () => {
  test("tells what a file is and what it needs", async () => {
    const { code, stdout } = await runCli(["show", demoModelPath()]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^architecture\s+llama$/m);
    expect(stdout).toMatch(/^quantisation\s+q8_0$/m);
    expect(stdout).toMatch(/^chat template\s+yes$/m);
    expect(stdout).toMatch(/^license\s+mit$/im);
  });

  test("tells scripts how much memory that is, and in how many of WebAssembly's", async () => {
    const { stdout } = await runCli(["show", demoModelPath(), "--json", "--kv-type", "q8_0"]);
    expect(JSON.parse(stdout)).toMatchObject({ memory: { kv_type: "q8_0", memories: 1 } });
  });

  test("refuses a file that is no GGUF", async () => {
    const { code, stderr } = await runCli(["show", "package.json"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^sirocco: .*package\.json.*\n$/);
  });
});

describe("sirocco doctor", () => {
  test("finds that this machine works", async () => {
    const { code, stdout } = await runCli(["doctor", "--json"]);
    const findings = JSON.parse(stdout) as { check: string; fine: boolean; reason?: string }[];
    expect(findings.map(({ check }) => check)).toEqual([
      "runtime",
      "memory",
      "backend",
      "kernels",
      "demo model",
    ]);
    expect(findings[2]).toMatchObject({
      backend: expect.stringMatching(/^(wasm-|webgpu)/) as string,
    });
    expect(CHOICE_REASONS).toContain(findings[2]!.reason);
    expect(findings.filter(({ fine }) => !fine)).toEqual([]);
    expect(code).toBe(0);
  });
});

/** The tokens of a story with a lot of chance in it. */
async function sampleTokens(seed: string): Promise<readonly number[]> {
  const args = ["run", "-p", "Once upon a time", "-n", "24", "--temp", "1.5", "--top-k", "0"];
  const { stdout } = await runCli([...args, "--min-p", "0", "-s", seed, "--json"]);
  return (JSON.parse(stdout) as RunJson).tokens;
}

/** The tokens of the text `[INST]`. */
async function instTokens(...flags: string[]): Promise<number[]> {
  const { stdout } = await runCli(["tokenize", "--text", "[INST]", "--json", ...flags]);
  return JSON.parse(stdout) as number[];
}
