// Builds the page and everything below it from source: wasm-pack compiles the kernels, webpack bundles the
// page, the engine's worker, the kernels and the demo model.
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import WasmPackPlugin from "wasm-pack-plugin";
import { cargoEnvironment, isDebian } from "../../kernels-simd/toolchain.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const ROOT = join(HERE, "../..");
const CRATE = join(HERE, "kernels");
const PKG = join(CRATE, "target", "pkg");

// Debian's compiler builds the standard library itself and has no target that wasm-pack could find:
// "force" leaves that check out. Its cargo has to be the one that wasm-pack finds.
Object.assign(process.env, cargoEnvironment("+simd128", []), {
  CARGO_TARGET_DIR: join(CRATE, "target"),
  PATH: [
    join(ROOT, ".cache", "cargo-tools", "bin"),
    ...(isDebian ? ["/usr/bin"] : []),
    process.env.PATH,
  ].join(delimiter),
  ...(isDebian ? { CARGO_UNSTABLE_BUILD_STD: "core,alloc,std,panic_abort" } : {}),
});

const wasmPack = new WasmPackPlugin({
  crateDirectory: CRATE,
  outDir: PKG,
  forceMode: "production",
  args: "--log-level warn",
  extraArgs: `--mode ${isDebian ? "force" : "no-install"} --target web --no-typescript --no-pack -- --locked`,
});

export default {
  mode: "production",
  context: HERE,
  entry: "./src/page.js",
  output: { path: join(HERE, "dist"), clean: true },
  // The model is larger than what webpack likes in a page.
  performance: { hints: false },
  resolve: {
    alias: {
      sirocco$: join(ROOT, "dist/adapters/browser/mod.js"),
      "kernels-pkg": join(PKG, "index.js"),
      // In place of the kernels that the package brings.
      [join(ROOT, "dist/adapters/browser/kernels.js")]: join(HERE, "src/kernels.js"),
    },
  },
  plugins: [
    wasmPack,
    {
      // The plugin keeps a failed first compilation to itself and leaves an empty module.
      apply(compiler) {
        compiler.hooks.make.tap("KernelsCompiled", () => {
          if (wasmPack.error !== null) throw wasmPack.error;
        });
      },
    },
  ],
};
