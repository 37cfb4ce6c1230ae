import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Refusal } from "../../backends/choose.ts";

/** What a probe found. */
export type Probe = Refusal | { readonly description: string; readonly software: boolean };

/** A driver that takes longer hangs. */
const PROBE_MS = 10_000;

/** Of what a driver printed before it died, so much is told. */
const COMPLAINT_CHARACTERS = 200;

/** The compiled package has `.js` files, the sources are run as they are. */
const PROGRAM = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./gpu-probe.ts" : "./gpu-probe.js", import.meta.url),
);

/** Look for a GPU in another process; `program` is what runs there. Does not reject. */
export function probeGpu(program: string = PROGRAM): Promise<Probe> {
  const args = "Deno" in globalThis ? ["run", "--allow-all", program] : [program];
  return new Promise((resolve) => {
    const settle = (error: Error | null, stdout: string, stderr: string): void => {
      const line = stdout.trim().split("\n").at(-1) ?? "";
      if (error === null && line.startsWith("{")) return resolve(JSON.parse(line) as Probe);
      const complaint = stderr.trim().slice(-COMPLAINT_CHARACTERS);
      const why = error === null ? "it said nothing" : error.message.split("\n")[0];
      resolve({
        reason: "failed",
        detail: `looking for a GPU failed: ${why}${complaint === "" ? "" : ` (${complaint})`}`,
      });
    };
    try {
      execFile(process.execPath, args, { timeout: PROBE_MS, killSignal: "SIGKILL" }, settle);
    } catch (error) {
      settle(error instanceof Error ? error : new Error(String(error)), "", "");
    }
  });
}
