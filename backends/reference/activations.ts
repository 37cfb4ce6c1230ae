import type { GateActivation } from "../../core/tensor/backend.ts";

/** What gates become. */
export const ACTIVATIONS: Readonly<Record<GateActivation, (value: number) => number>> = {
  silu: (value) => value / (1 + Math.exp(-value)),
  gelu_tanh: (value) =>
    (value * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3)))) / 2,
};
