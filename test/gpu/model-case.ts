// Runs in a process of its own, on the driver of its environment, in Node, Bun or Deno: small models of
// several types on the GPU beside the reference. Reports the largest error of a row of logits.
import { createReferenceBackend } from "../../backends/reference/backend.ts";
import { relativeError } from "../conformance/backend/tensors.ts";
import { createGpu } from "./backend.ts";
import { report } from "./report.ts";
import { logitsOf, type ModelCase } from "./tiny-model.ts";

/** What came of it. */
export interface ModelResult extends ModelCase {
  readonly worst: number;
}

const results: ModelResult[] = [];
for (const one of JSON.parse(process.argv[2]!) as ModelCase[]) {
  const gpu = await createGpu();
  const actual = await logitsOf(gpu, one);
  await gpu.close();
  const expected = await logitsOf(createReferenceBackend(), one);
  const errors = actual.map((row, i) => relativeError(row, expected[i]!));
  results.push({ ...one, worst: errors.reduce((a, b) => (b <= a ? a : b), 0) });
}
report(results);
