/** The way of somebody new on each runtime: from an empty folder and the package's file to an answer. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packPackage } from "./fixtures/installed.ts";
import { BUN, DENO, isMissing, SCRIPT_RUNTIMES } from "./fixtures/runtimes.ts";

const run = promisify(execFile);

/** Nobody has to do more than this. */
const MOST_COMMANDS = 3;
/** Packages come from the network, unless they have been there before. */
const TIMEOUT_MS = 180_000;
const ASK = 'run "What is quantization?"';
const ANSWER = /^Quantization stores model weights with fewer bits/m;

interface Newcomer {
  readonly runtime: string;
  /** What the runtime brings: names of commands. */
  readonly brings: readonly string[];
  readonly binary: string;
  /** What is typed in the empty folder, beside which the package's file lies. */
  readonly types: readonly string[];
}

const NEWCOMERS: readonly Newcomer[] = [
  // npm comes with Node, and runs on the one that is found first.
  ...SCRIPT_RUNTIMES.filter(({ name }) => name.startsWith("Node")).map(({ name, binary }) => ({
    runtime: name,
    brings: ["node"],
    binary,
    types: ["npm install ../sirocco.tgz", `npx sirocco ${ASK}`],
  })),
  {
    runtime: "Bun",
    brings: ["bun", "bunx"],
    binary: BUN,
    types: ["bun add ../sirocco.tgz", `bunx --bun sirocco ${ASK}`],
  },
  {
    // From a registry it is `deno run -A npm:sirocco`; of a package's file Deno makes nothing by itself.
    runtime: "Deno",
    brings: ["deno"],
    binary: DENO,
    types: [
      "tar -xzf ../sirocco.tgz --strip-components=1",
      "deno install --prod",
      `deno run -A dist/adapters/node/cli/main.js ${ASK}`,
    ],
  },
];

describe("from an empty folder", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sirocco-newcomer-"));
    const { file } = await packPackage(folder);
    await rename(file, join(folder, "sirocco.tgz"));
  }, TIMEOUT_MS);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.for([...NEWCOMERS])(
    "$runtime answers after a few commands",
    {
      timeout: TIMEOUT_MS,
    },
    async ({ runtime, brings, binary, types }, { skip }) => {
      skip(isMissing(binary), `there is no ${binary}`);
      const name = runtime.replace(" ", "").toLowerCase();
      const [bin, empty] = [join(folder, `${name}-bin`), join(folder, name)];
      await mkdir(bin);
      await mkdir(empty);
      for (const command of brings) await symlink(binary, join(bin, command));
      const env = {
        ...process.env,
        PATH: [bin, process.env["PATH"]].join(delimiter),
        NO_COLOR: "1",
      };
      expect(types.length).toBeLessThanOrEqual(MOST_COMMANDS);
      let said = "";
      for (const line of types) {
        ({ stdout: said } = await run("sh", ["-c", line], { cwd: empty, env }));
      }
      expect(said).toMatch(ANSWER);
    },
  );
});
