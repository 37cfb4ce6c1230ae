/** The suites of the interfaces, as vitest runs them on Node, for every runtime. */
import { createWasmBackend } from "../../backends/wasm/backend.ts";
import { describeBackend } from "../conformance/backend.ts";
import { WASM_PROMISES } from "../conformance/promises.ts";
import type { Environment } from "./environment.ts";
import { runSuite } from "./harness.ts";

/** The contract of backends, kept by every build of the kernels that this runtime takes. */
export async function backendSuite({ kernels }: Environment): Promise<string> {
  const found: string[] = [];
  for (const build of kernels) {
    const run = (): void =>
      describeBackend(build.variant, () => createWasmBackend(build), WASM_PROMISES);
    found.push(await runSuite(run));
  }
  if (new Set(found).size !== 1) throw new Error(`Builds differ: ${found.join(", ")}`);
  return found[0]!;
}

/** The contract of the fetch handler, over an engine that answers from a script. */
export function httpSuite(): Promise<string> {
  return runSuite(async () => {
    await import("../core/http/anthropic.test.ts");
    await import("../core/http/app.test.ts");
    await import("../core/http/caching.test.ts");
    await import("../core/http/calls.test.ts");
    await import("../core/http/chat.test.ts");
    await import("../core/http/completions.test.ts");
    await import("../core/http/ladder.test.ts");
    await import("../core/http/metrics-route.test.ts");
    await import("../core/http/mistral.test.ts");
    await import("../core/http/pool.test.ts");
    await import("../core/http/responses.test.ts");
    await import("../core/http/resume.test.ts");
    await import("../core/http/streams.test.ts");
    await import("../core/http/validation.test.ts");
  });
}
