/** The edge worker of the examples in workerd, with the demo model in its bucket. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Miniflare } from "miniflare";
import { bundle } from "../runtimes/bundle.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const KERNELS = `${ROOT}kernels-simd/wasm/relaxed.wasm`;
export const DEMO = `${ROOT}examples/demo-model/sirocco-demo.q8_0.gguf`;

/** What is uploaded, but for the weights. */
export interface EdgeBundle {
  readonly script: string;
  readonly kernels: Uint8Array;
}

/** Bundle the worker as wrangler does. */
export async function bundleEdgeWorker(
  entry = "examples/edge-worker/worker.js",
): Promise<EdgeBundle> {
  return {
    script: readFileSync(await bundle(entry, "worker"), "utf8"),
    kernels: readFileSync(KERNELS),
  };
}

/** Start an isolate. The bucket is given; the first request loads the model. */
export async function startEdge(
  { script, kernels }: EdgeBundle,
  files: Readonly<Record<string, string>>,
): Promise<Miniflare> {
  const miniflare = new Miniflare({
    modules: [
      { type: "ESModule", path: "worker.js", contents: script },
      { type: "CompiledWasm", path: "relaxed.wasm", contents: kernels },
    ],
    compatibilityDate: "2026-07-01",
    compatibilityFlags: ["enable_request_signal"],
    r2Buckets: ["MODELS"],
    cf: false,
  });
  const bucket = await miniflare.getR2Bucket("MODELS");
  for (const [key, path] of Object.entries(files)) await bucket.put(key, readFileSync(path));
  return miniflare;
}
