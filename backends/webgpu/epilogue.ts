import type { GateActivation } from "../../core/tensor/backend.ts";
import type { Epilogue } from "./spec.ts";

/** What activations are called in `kernels-wgsl/activation.wgsl`. */
export const ACTIVATIONS: Readonly<Record<GateActivation, number>> = { silu: 0, gelu_tanh: 1 };

/** The constant of an epilogue that gates. */
export function activationOf(epilogue: Epilogue): Readonly<Record<string, number>> {
  return epilogue.type === "gate" ? { ACTIVATION: ACTIVATIONS[epilogue.activation] } : {};
}
