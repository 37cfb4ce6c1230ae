/**
 * Why a backend computes and not another: what a probe, a metric's label and `sirocco doctor` show. None
 * tells what hardware there is.
 *
 * - `asked`: it was asked for by name
 * - `only`: there is no other, or none that can hold the model
 * - `sound`: the GPU passed its self-test, and nothing could be measured beforehand
 * - `faster`: it was measured beside the other and won
 * - `slower`: the GPU was measured and lost
 * - `no_gpu`: nothing hints at a GPU, so none was looked for
 * - `no_package`: what reaches a GPU is not installed
 * - `no_adapter`: there is no adapter, or its driver does not work
 * - `software`: the adapter computes on the CPU, which WebAssembly uses better
 * - `limits`: the adapter cannot bind what the model needs
 * - `memory`: the model does not fit into the GPU's memory
 * - `wrong`: the GPU computes wrongly
 * - `failed`: the GPU failed while it was tried
 * - `no_simd`: there is no WebAssembly SIMD either
 */
export type ChoiceReason =
  | "asked"
  | "only"
  | "sound"
  | "faster"
  | "slower"
  | "no_gpu"
  | "no_package"
  | "no_adapter"
  | "software"
  | "limits"
  | "memory"
  | "wrong"
  | "failed"
  | "no_simd";

/** Every reason. */
export const CHOICE_REASONS: readonly ChoiceReason[] = [
  "asked",
  "only",
  "sound",
  "faster",
  "slower",
  "no_gpu",
  "no_package",
  "no_adapter",
  "software",
  "limits",
  "memory",
  "wrong",
  "failed",
  "no_simd",
];

/** Why this backend. */
export interface Choice {
  /** For programs, and for whoever may ask. */
  readonly reason: ChoiceReason;
  /** For the machine's owner, one line: names the hardware, and what was measured. */
  readonly detail: string;
}

/** How fast a backend computes a model; milliseconds. */
export interface Trial {
  /** A row of a prompt, beside others. */
  readonly promptMs: number;
  /** A step of one row. */
  readonly stepMs: number;
  /** [vocab] logits after the same tokens everywhere; of an encoder its state [dim]. */
  readonly logits: Float32Array;
}
