import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build as runEsbuild, type Plugin } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Where bundles go. */
export const BUNDLES: string = `${root}.cache/runtimes`;

/** As bundlers of workers do: imports of modules stay, and look for them beside the bundle. */
const kernelsBeside: Plugin = {
  name: "kernels beside the bundle",
  setup(build) {
    build.onResolve({ filter: /\.wasm$/ }, ({ path }) => ({
      path: path.replace(/.*\//, "./"),
      external: true,
    }));
  },
};

/** Bundle an entry for a kind of runtime; gives the path of the bundle. */
export async function bundle(entry: string, kind: "script" | "worker" | "page"): Promise<string> {
  mkdirSync(BUNDLES, { recursive: true });
  // Node asks the nearest package.json what a `.js` file is.
  writeFileSync(`${BUNDLES}/package.json`, '{"type": "module"}');
  // A folder for each kind: a thread's file is called the same on Node and in a browser.
  const outfile = `${BUNDLES}/${kind}/${entry.replace(/.*\//, "").replace(/\.ts$/, ".js")}`;
  await runEsbuild({
    entryPoints: [`${root}${entry}`],
    outfile,
    bundle: true,
    format: "esm",
    target: "es2023",
    logLevel: "error",
    platform: kind === "script" ? "node" : kind === "page" ? "browser" : "neutral",
    plugins: [kernelsBeside],
    // vitest runs on Node only; suites run everywhere.
    alias: { vitest: `${root}test/runtimes/harness.ts` },
    ...(kind === "worker"
      ? { conditions: ["workerd", "import"], mainFields: ["module", "main"] }
      : {}),
    // ECMAScript modules have no `require`, packages inside the bundle may.
    ...(kind === "script"
      ? {
          banner: {
            js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
          },
        }
      : {}),
  });
  return outfile;
}
