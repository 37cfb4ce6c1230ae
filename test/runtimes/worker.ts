/** Runs the cases in workerd: a request brings the task, the answer holds the findings. */
import relaxed from "../../kernels-simd/wasm/relaxed.wasm";
import relaxed16 from "../../kernels-simd/wasm/relaxed16.wasm";
import simd128 from "../../kernels-simd/wasm/simd128.wasm";
import { runCases } from "./cases.ts";
import type { Task } from "./environment.ts";
import { remoteEnvironment } from "./remote.ts";

const kernels = [
  { variant: "simd128", module: simd128 },
  { variant: "relaxed", module: relaxed },
  { variant: "relaxed16", module: relaxed16 },
];

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

// eslint-disable-next-line import/no-default-export -- workerd's convention
export default {
  async fetch(request: Request): Promise<Response> {
    const task = (await request.json()) as Task;
    return Response.json(await runCases(remoteEnvironment(task, kernels, turn)));
  },
};
