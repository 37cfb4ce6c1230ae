/**
 * Makes SmolLM2-135M-Instruct in other quantisations out of the Q4_1 file, for benchmarks and for agreement with llama.cpp on the same
 * file; not for judging quality, since it is quantised twice.
 *
 *     node test/bench/make-models.mjs [Q8_0,Q4_0,Q4_0-pure,…]      -> the paths
 *
 * The quantisers are those of the library inside the npm package @node-llama-cpp/linux-x64; node-llama-cpp carries llama.cpp's sources of
 * the same version as a git bundle, whose headers this compiles a small program against. Needs git and a C compiler (CC, or cc).
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { setup } from "../peers/setup.ts";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.join(here, "..", "..");
const models = process.env.SIROCCO_MODELS ?? path.join(root, ".cache", "models");
const modules = path.join(root, "test", "peers", "node_modules");

/** Numbers of llama.h's `llama_ftype`, and whether every tensor gets the type or the mix of llama-quantize. */
const KINDS = {
  // As published: what the others are made from.
  Q4_1: { ftype: 3, pure: false },
  Q8_0: { ftype: 7, pure: false },
  Q4_0: { ftype: 2, pure: false },
  "Q4_0-pure": { ftype: 2, pure: true },
  Q4_K_M: { ftype: 15, pure: false },
  // At this model's widths the mixes of these names hold no Q2_K and no Q3_K.
  "Q2_K-pure": { ftype: 10, pure: true },
  "Q3_K-pure": { ftype: 12, pure: true },
  Q3_K_M: { ftype: 12, pure: false },
  Q5_0: { ftype: 8, pure: false },
  Q5_1: { ftype: 9, pure: false },
  Q5_K_M: { ftype: 17, pure: false },
  Q6_K: { ftype: 18, pure: false },
  F16: { ftype: 1, pure: false },
  BF16: { ftype: 32, pure: false },
};

function run(command, args, options = {}) {
  const { status, error, stderr } = spawnSync(command, args, { encoding: "utf8", ...options });
  if (status !== 0)
    throw new Error(
      `${command} ${args.join(" ")} ended with ${error?.message ?? status}\n${(stderr ?? "").slice(-2000)}`,
    );
}

/** Compiles quantise.c in `work`; gives the program and the variables it needs. */
function build(work) {
  const source = path.join(work, "llama.cpp");
  run("git", [
    "clone",
    "--quiet",
    path.join(modules, "node-llama-cpp", "llama", "gitRelease.bundle"),
    source,
  ]);
  const libraries = path.join(modules, "@node-llama-cpp", "linux-x64", "bins", "linux-x64");
  const program = path.join(work, "quantise");
  const linked = readdirSync(libraries).filter((name) =>
    /^lib(llama|ggml)\.v.*\.so$|^libggml-base\.so$/.test(name),
  );
  const headers = ["include", "ggml/include"].flatMap((folder) => [
    "-I",
    path.join(source, folder),
  ]);
  const objects = linked.map((name) => path.join(libraries, name));
  const output = ["-o", program, path.join(here, "quantise.c")];
  run(process.env.CC ?? "cc", [
    "-O1",
    ...headers,
    ...output,
    ...objects,
    `-Wl,-rpath,${libraries}`,
  ]);
  return {
    program,
    env: { ...process.env, GGML_BACKEND_PATH: path.join(libraries, "libggml-cpu-x64.so") },
  };
}

const wanted = (process.argv[2] ?? Object.keys(KINDS).join(",")).split(",");
const unknown = wanted.find((name) => KINDS[name] === undefined);
if (unknown !== undefined)
  throw new TypeError(`Cannot make "${unknown}": choose from ${Object.keys(KINDS).join(", ")}.`);
setup();
const input = path.join(models, "SmolLM2-135M-Instruct.Q4_1.gguf");
const targets = wanted.map((name) => path.join(models, `SmolLM2-135M-Instruct.${name}.gguf`));
const missing = wanted.filter((_, i) => !existsSync(targets[i]));
if (missing.length > 0) {
  const work = mkdtempSync(path.join(tmpdir(), "sirocco-quantise-"));
  try {
    const { program, env } = build(work);
    for (const name of missing) {
      const { ftype, pure } = KINDS[name];
      const target = targets[wanted.indexOf(name)];
      run(program, [input, `${target}.part`, String(ftype), pure ? "1" : "0"], { env });
      renameSync(`${target}.part`, target);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
process.stdout.write(`${targets.join("\n")}\n`);
