import { execFile, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import { modelFile } from "./models.ts";
import { PEERS, ROOT } from "./peers.ts";
import type { Measurement } from "./plan.ts";
import type { Sample } from "./report.ts";

const execute = promisify(execFile);

/** Longer than any measurement of the plan on a slow machine: a peer that hangs must not stop the run. */
const TIMEOUT_MS = 240_000;

/** Do one measurement in a fresh process. Rejects with what the process said when it fails. */
export async function measure(what: Measurement, repetitions: number): Promise<readonly Sample[]> {
  const { section, peer: key, model, threads, tests } = what;
  const peer = PEERS[key];
  if (peer === undefined) throw new TypeError(`Cannot measure "${key}": no such peer`);
  const task = { model: modelFile(model), threads, tests, repetitions };
  const [program = "", ...args] =
    section === "start" ? (peer.start?.(task) ?? []) : peer.command(task);
  const common = { peer: key, label: peer.label, model, threads, busy: section === "busy" };
  const stop = section === "busy" ? loadEveryCore() : () => {};
  try {
    const { stdout } = await execute(program, args, {
      cwd: ROOT,
      timeout: TIMEOUT_MS,
      maxBuffer: 1 << 24,
    });
    return section === "start"
      ? startSamples(stdout, { ...common, round: what.round })
      : speedSamples(stdout, { ...common, round: what.round }, tests);
  } finally {
    stop();
  }
}

type Common = Omit<Sample, "ran" | "test" | "value">;

function speedSamples(stdout: string, common: Common, tests: readonly string[]): readonly Sample[] {
  const rows = JSON.parse(stdout) as readonly {
    readonly peer?: string;
    readonly threads: number;
    readonly test: string;
    readonly avg_ts: number;
  }[];
  // `bench` measures every length with every number of sequences; only those that the plan names count.
  const wanted = rows.filter((row) => tests.includes(row.test));
  return wanted.map(({ peer: label = common.label, threads: ran, test, avg_ts: value }) =>
    Object.assign({ ran, test, value }, common, { label }),
  );
}

function startSamples(stdout: string, common: Common): readonly Sample[] {
  const measured = JSON.parse(stdout) as {
    readonly first_token_ms: number;
    readonly peak_rss: number;
    readonly kv_bytes: number;
    readonly threads: number;
  };
  const rest = { ...common, ran: measured.threads, kvBytes: measured.kv_bytes };
  return [
    { ...rest, test: "start", value: measured.first_token_ms },
    { ...rest, test: "rss", value: measured.peak_rss },
  ];
}

/** Keeps one endless loop per core running; call the result to end them. */
function loadEveryCore(): () => void {
  const loops = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" }),
  );
  return () => {
    for (const loop of loops) loop.kill("SIGKILL");
  };
}
