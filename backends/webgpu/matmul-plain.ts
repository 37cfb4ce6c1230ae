import type { WeightType } from "../../core/tensor/dtype.ts";
import { byteLength, WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import { activationOf } from "./epilogue.ts";
import { WGSL } from "./generated.ts";
import { productWork } from "./product-work.ts";
import type { Dispatch, Epilogue, KernelSpec, MatmulKernels, MatmulRequest } from "./spec.ts";

/** Outputs of a workgroup. */
const LANES = 64;

const EPILOGUES: Readonly<Record<Epilogue["type"], number>> = { store: 0, add: 1, gate: 2 };

/** One invocation for each output, for every type: slow, and the readable version of any other kernel. */
export function createPlainMatmul(): MatmulKernels {
  return {
    scratchWords: () => 0,
    plan: (request) => [planPlain(request)],
  };
}

function planPlain(request: MatmulRequest): Dispatch {
  const { type, n, k, x, products, epilogue } = request;
  const params = new Uint32Array(4 + 4 * products.length);
  params.set([x, k, byteLength(type, k), epilogue.type === "add" ? epilogue.residual : 0]);
  for (const [i, { weight, rows, out, stride }] of products.entries()) {
    params.set([weight, rows, out, stride], 4 + 4 * i);
  }
  const rows = Math.max(...products.map((product) => product.rows));
  const columns = epilogue.type === "gate" ? 1 : products.length;
  return {
    kernel: plainKernel(type, epilogue),
    params,
    workgroups: [Math.ceil(rows / LANES), n, columns],
    ...productWork(request, n),
  };
}

function plainKernel(type: WeightType, epilogue: Epilogue): KernelSpec {
  return {
    name: `matmul-plain-${type}-${epilogue.type}`,
    wgsl: [WGSL.weights, WGSL.exp, WGSL.activation, WGSL["matmul-plain"]].join("\n"),
    constants: {
      TYPE: WEIGHT_TYPES[type].id,
      EPILOGUE: EPILOGUES[epilogue.type],
      ...activationOf(epilogue),
    },
  };
}
