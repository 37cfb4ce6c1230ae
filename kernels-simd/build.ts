// Builds the kernels for wasm32 and notes what they were built from: `npm run kernels`.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { toComponent, toModule } from "./component.ts";
import { CARGO, cargoEnvironment, DEBIAN_VENDOR, isDebian } from "./toolchain.ts";

/** Each committed build: its target features and its cargo feature. */
const BUILDS = {
  simd128: { target: "+simd128", feature: undefined },
  relaxed: { target: "+simd128,+relaxed-simd", feature: "relaxed-dot32" },
  relaxed16: { target: "+simd128,+relaxed-simd", feature: "relaxed-dot16" },
} as const;

/** A component has to run on every host, and relaxed SIMD is not on all. */
const COMPONENT_TARGET = "+simd128";

/** The host brings the memory, but for the component, whose memory is its own. */
const IMPORT_MEMORY = "--import-memory";

const here = fileURLToPath(new URL(".", import.meta.url));

/** SHA-256 over everything that decides the bytes of the builds. */
export function sourceDigest(): string {
  const hash = createHash("sha256");
  const files = readdirSync(join(here, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".rs"))
    .map((name) => `src/${name.replaceAll("\\", "/")}`)
    .concat("Cargo.toml", "build.ts", "component.ts", "toolchain.ts", "wit/kernels.wit")
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
  const targetDir = join(here, "target", name);
  const args = ["build", "--release", "--target", "wasm32-unknown-unknown"];
  if (feature !== undefined) args.push("--features", feature);
  if (isDebian) {
    args.push("--offline", "-Zbuild-std=core,alloc");
    args.push("--config", 'source.crates-io.replace-with="vendored"');
    args.push("--config", `source.vendored.directory="${DEBIAN_VENDOR}"`);
  }
  execFileSync(CARGO, args, {
    cwd: here,
    stdio: "inherit",
    env: {
      ...process.env,
      ...cargoEnvironment(target, linkFlags),
      CARGO_TARGET_DIR: targetDir,
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
