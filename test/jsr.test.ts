import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { DENO, isMissing } from "./fixtures/runtimes.ts";

const run = promisify(execFile);
const cwd = fileURLToPath(new URL("..", import.meta.url));
const env = { ...process.env, NO_COLOR: "1" };
const ADAPTERS = ["node", "bun", "deno", "browser", "workerd"];

describe.skipIf(isMissing(DENO))("by Deno's judgement", () => {
  test("everything public is documented", async () => {
    const entries = ["core/mod.ts", ...ADAPTERS.map((name) => `adapters/${name}/mod.ts`)];
    // Rejects with the complaints.
    const { stderr } = await run(DENO, ["doc", "--lint", ...entries], { cwd, env });
    expect(stderr).not.toContain("error");
  });

  test("the package could be published on JSR", async () => {
    const { stderr } = await run(DENO, ["publish", "--dry-run", "--allow-dirty"], { cwd, env });
    expect(stderr).toContain("Dry run complete");
    // It checks all types, which takes a minute beside other work.
  }, 180_000);
});
