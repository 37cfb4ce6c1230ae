/** What test/adapters/node/revival.test.ts shows of Node, of the other runtimes with workers. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import type { Fault } from "../fixtures/faults.ts";
import { isMissing, SCRIPT_RUNTIMES } from "../fixtures/runtimes.ts";
import type { RevivalResult } from "./revival.ts";

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("revival.ts", import.meta.url));
const CASES: readonly (readonly [what: string, fault: Fault, reason: string])[] = [
  ["is killed (F1)", { type: "exit", calls: 1500 }, "died"],
  ["hangs (F2)", { type: "hang", calls: 1500 }, "stalled"],
  ["traps (F5)", { type: "trap", calls: 1500 }, "trap"],
];

describe.for(SCRIPT_RUNTIMES.filter(({ name }) => !name.startsWith("Node")))(
  "on $name",
  ({ binary, arguments: before }) => {
    test.skipIf(isMissing(binary)).for(CASES)(
      "answers outlive a worker that %s",
      async ([, fault, reason]) => {
        const asked = [...before, SCRIPT, JSON.stringify(fault)];
        const { stdout } = await run(binary, asked);
        const { same, broken, moved } = JSON.parse(stdout) as RevivalResult;
        expect(same).toBe(true);
        expect(broken[reason]).toBe(1);
        expect(moved).toBeGreaterThan(0);
      },
    );
  },
);
