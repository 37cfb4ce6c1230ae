import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The repository. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** What a process is to measure. */
export interface Task {
  /** Path of a GGUF file. */
  readonly model: string;
  readonly threads: number;
  /** `pp128`, `tg64x8`, …, or only `start`. */
  readonly tests: readonly string[];
  readonly repetitions: number;
}

/** Something that answers from a GGUF file (or the same shape in its own format) in a process of its own. */
export interface Peer {
  readonly label: string;
  /** `sirocco` prints llama-bench's rows, the others `{ peer, threads, test, avg_ts }`. */
  readonly sirocco: boolean;
  /** Why it cannot be measured here, where it cannot. */
  missing(): string | undefined;
  /** Program and arguments. */
  command(task: Task): readonly string[];
  /** Program and arguments that measure load to first token; absent where that is not measured. */
  start?(task: Task): readonly string[];
  /** Only these models, where the peer cannot or need not run all. */
  readonly models?: readonly string[];
  /** Only these tests, where others would take minutes. */
  readonly tests?: readonly string[];
}

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const BUN = path.join(ROOT, "node_modules/bun/bin/bun.exe");
const DENO = path.join(ROOT, "test/runtimes/node_modules/@deno/linux-x64-glibc/deno");
const PEER_MODULES = path.join(ROOT, "test/peers/node_modules");

/** Every peer, sirocco first. */
export const PEERS: Readonly<Record<string, Peer>> = {
  node: sirocco("sirocco, Node 24", [process.execPath]),
  bun: sirocco("sirocco, Bun 1.4", [BUN]),
  deno: sirocco("sirocco, Deno 2.9", [DENO, "run", "-A"]),
  llama: {
    ...foreign("llama.cpp native (node-llama-cpp)", "llama.mjs", "node-llama-cpp"),
    start: (task) => [
      process.execPath,
      path.join(ROOT, "test/peers/bench/llama-start.mjs"),
      task.model,
      String(task.threads),
    ],
  },
  transformers: {
    ...foreign(
      "transformers.js (onnxruntime-node)",
      "transformers.mjs",
      "@huggingface/transformers",
    ),
    // Its own formats of the same shape, made by `prepareOnnx`: q4 stands beside Q4_0, q8 beside Q8_0.
    models: ["q4_0", "q8_0"],
  },
  wllama2: {
    ...foreign("wllama 2.3.1 (Chromium)", "wllama.mjs", "wllama-2", ["--version", "2"]),
    models: ["q4_0", "q4_k_m", "q8_0"],
    tests: ["pp128", "tg64"],
  },
  wllama3: {
    ...foreign("wllama 3.8.1 (Chromium)", "wllama.mjs", "wllama-3", ["--version", "3"]),
    models: ["q4_0", "q8_0"],
    tests: ["pp128", "tg64"],
  },
};

function sirocco(label: string, runtime: readonly string[]): Peer {
  const [program = ""] = runtime;
  return {
    label,
    sirocco: true,
    missing: () => (existsSync(program) ? undefined : `${program} is not installed`),
    command({ model, threads, tests, repetitions }) {
      const lengths = (pattern: RegExp): string =>
        [...new Set(tests.flatMap((test) => pattern.exec(test)?.[1] ?? []))].join(",") || "0";
      const together = tests.map((test) => /^tg\d+x(\d+)$/.exec(test)?.[1] ?? "1");
      const flags = ["-p", lengths(/^pp(\d+)$/), "-n", lengths(/^tg(\d+)/)];
      const parallel = ["--parallel", [...new Set(together)].join(",")];
      const cli = path.join(ROOT, "dist/adapters/node/cli/main.js");
      return [
        ...runtime,
        cli,
        "bench",
        "-m",
        model,
        ...flags,
        ...parallel,
        "-t",
        String(threads),
        "-r",
        String(repetitions),
        "--json",
      ];
    },
    start: ({ model, threads }) => [
      ...runtime,
      path.join(ROOT, "test/bench/start.mjs"),
      model,
      String(threads),
    ],
  };
}

function foreign(
  label: string,
  script: string,
  packageName: string,
  flags: readonly string[] = [],
): Peer {
  const file = path.join(ROOT, "test/peers/bench", script);
  return {
    label,
    sirocco: false,
    missing() {
      if (!existsSync(path.join(PEER_MODULES, packageName))) {
        return `the package ${packageName} is not installed in test/peers`;
      }
      if (script === "wllama.mjs" && !existsSync(CHROMIUM)) {
        return `there is no Chromium at ${CHROMIUM}; install it or set CHROMIUM`;
      }
      return undefined;
    },
    command: ({ model, threads, tests, repetitions }) => [
      process.execPath,
      file,
      ...flags,
      "--model",
      model,
      "--threads",
      String(threads),
      "--tests",
      tests.join(","),
      "-r",
      String(repetitions),
    ],
  };
}
