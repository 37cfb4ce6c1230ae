/** The edge worker of the examples in workerd, with the demo model in its bucket. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Miniflare, type MiniflareOptions } from "miniflare";
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

/** What an isolate has beside its code. */
export interface EdgeOptions {
  /** Objects of the bucket, by key. */
  readonly files?: Readonly<Record<string, string>>;
  /** A folder of static assets. */
  readonly assets?: string;
  /** Whether V8's inspector can be asked about it. */
  readonly inspected?: boolean;
  /** Bindings of plain data, by name. */
  readonly bindings?: Readonly<Record<string, Json>>;
}

type Json = string | number | boolean | null | { readonly [key: string]: Json };

/** Start an isolate. The bucket is given; the first request loads the model. */
export async function startEdge(edge: EdgeBundle, options: EdgeOptions): Promise<Miniflare> {
  const miniflare = new Miniflare(miniflareOptions(edge, options));
  const bucket = await miniflare.getR2Bucket("MODELS");
  for (const [key, path] of Object.entries(options.files ?? {})) {
    await bucket.put(key, readFileSync(path));
  }
  return miniflare;
}

/** Throw the isolate away and start another, with the same storage. */
export async function restartEdge(
  miniflare: Miniflare,
  edge: EdgeBundle,
  options: EdgeOptions,
): Promise<void> {
  // An isolate is new where its worker is.
  const script = `${edge.script}\n// ${Math.random()}`;
  await miniflare.setOptions(miniflareOptions({ ...edge, script }, options));
}

function miniflareOptions(
  { script, kernels }: EdgeBundle,
  { assets, bindings = {}, inspected = false }: EdgeOptions,
): MiniflareOptions {
  return {
    modules: [
      { type: "ESModule", path: "worker.js", contents: script },
      { type: "CompiledWasm", path: "relaxed.wasm", contents: kernels },
    ],
    compatibilityDate: "2026-07-01",
    compatibilityFlags: ["enable_request_signal"],
    r2Buckets: ["MODELS"],
    bindings: { ...bindings },
    ...(assets === undefined
      ? {}
      : {
          assets: { directory: assets, binding: "ASSETS", routerConfig: { has_user_worker: true } },
        }),
    cf: false,
    ...(inspected ? { inspectorPort: 0 } : {}),
  };
}
