// Builds the kernels for wasm32 and notes what they were built from: `npm run kernels`.
//
// With rustup: `rustup target add wasm32-unknown-unknown`. On Debian 12 without it:
// `apt-get install rustc-web cargo-web rust-web-src lld-19`, whose compiler builds `core` itself.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { toComponent, toModule } from "./component.ts";

/** Each committed build: its target features and its cargo feature. */
const BUILDS = {
  simd128: { target: "+simd128", feature: undefined },
  relaxed: { target: "+simd128,+relaxed-simd", feature: "relaxed-dot32" },
  relaxed16: { target: "+simd128,+relaxed-simd", feature: "relaxed-dot16" },
} as const;

/** A component has to run on every host, and relaxed SIMD is not on all. */
const COMPONENT_TARGET = "+simd128";

/** Debian's cargo and the crates that building `core` needs. */
const DEBIAN_CARGO = "/usr/bin/cargo";
const DEBIAN_VENDOR = "/usr/lib/rustlib/src/rust/library/vendor";

/**
 * LLVM must leave the inner loops rolled: unrolled, it sinks each chain of dot products to its end and
 * spills; the engines unroll by themselves.
 */
const LLVM_FLAGS = ["-unroll-full-max-count=1", "-unroll-max-count=1", "-disable-lsr"];

/**
 * The shadow stack comes first, so that an overflow traps instead of writing over weights. Threads move
 * its pointer to a stack of their own; a shared memory has to name its maximum.
 */
const LINK_FLAGS = [
  "--stack-first",
  "-zstack-size=65536",
  "--export=__heap_base",
  "--export=__stack_pointer",
  "--max-memory=4294967296",
];

/** The host brings the memory, but for the component, whose memory is its own. */
const IMPORT_MEMORY = "--import-memory";

const here = fileURLToPath(new URL(".", import.meta.url));

/** SHA-256 over everything that decides the bytes of the builds. */
export function sourceDigest(): string {
  const hash = createHash("sha256");
  const files = readdirSync(join(here, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".rs"))
    .map((name) => `src/${name.replaceAll("\\", "/")}`)
    .concat("Cargo.toml", "build.ts", "component.ts", "wit/kernels.wit")
    .toSorted((a, b) => (a < b ? -1 : 1));
  for (const file of files) {
    hash
      .update(`${file}\n`)
      .update(readFileSync(join(here, file), "utf8").replaceAll("\r\n", "\n"));
  }
  return hash.digest("hex");
}

/** Compile one build; `linkFlags` come on top of those of all. */
function compile(
  name: string,
  target: string,
  feature: string | undefined,
  linkFlags: readonly string[],
): Uint8Array {
  const debian = existsSync(DEBIAN_VENDOR);
  const rustflags = [
    `-Ctarget-feature=${target}`,
    ...LLVM_FLAGS.map((flag) => `-Cllvm-args=${flag}`),
    ...[...linkFlags, ...LINK_FLAGS].map((flag) => `-Clink-arg=${flag}`),
    ...(debian ? ["-Clinker=wasm-ld-19"] : []),
  ];
  const targetDir = join(here, "target", name);
  const args = ["build", "--release", "--target", "wasm32-unknown-unknown"];
  if (feature !== undefined) args.push("--features", feature);
  if (debian) {
    args.push("--offline", "-Zbuild-std=core,alloc");
    args.push("--config", 'source.crates-io.replace-with="vendored"');
    args.push("--config", `source.vendored.directory="${DEBIAN_VENDOR}"`);
  }
  execFileSync(debian ? DEBIAN_CARGO : "cargo", args, {
    cwd: here,
    stdio: "inherit",
    env: {
      ...process.env,
      ...(debian ? { RUSTC: "/usr/bin/rustc", RUSTC_BOOTSTRAP: "1" } : {}),
      CARGO_TARGET_DIR: targetDir,
      CARGO_ENCODED_RUSTFLAGS: rustflags.join("\u001f"),
    },
  });
  return readFileSync(join(targetDir, "wasm32-unknown-unknown", "release", "sirocco_kernels.wasm"));
}

async function build(): Promise<void> {
  const digests: Record<string, string> = {};
  const note = (name: string, bytes: Uint8Array): void => {
    mkdirSync(dirname(join(here, name)), { recursive: true });
    writeFileSync(join(here, name), bytes);
    digests[name] = createHash("sha256").update(bytes).digest("hex");
    process.stdout.write(`${name} ${bytes.length} bytes\n`);
  };
  for (const [variant, { target, feature }] of Object.entries(BUILDS)) {
    note(`wasm/${variant}.wasm`, compile(variant, target, feature, [IMPORT_MEMORY]));
  }
  const component = await toComponent(compile("component", COMPONENT_TARGET, "component", []));
  note("component/kernels.component.wasm", component);
  for (const [name, bytes] of await toModule(component)) note(`component/${name}`, bytes);
  const manifest = { source: sourceDigest(), ...digests };
  writeFileSync(join(here, "wasm", "digests.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build();
