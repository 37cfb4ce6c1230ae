import type { GateActivation, KvShape, RopeStyle } from "./backend.ts";
import type { WeightType } from "./dtype.ts";

/**
 * What a model is going to ask of a backend: how much memory, and which kinds of operations. It is known
 * before a byte of weights is read, so that a backend can be tested and refused in time.
 */
export interface Workload {
  /** Every weight as it will be loaded, in the order of loading. */
  readonly weights: readonly {
    readonly label: string;
    readonly dtype: WeightType;
    readonly shape: readonly number[];
  }[];
  /** Shapes of all activations. */
  readonly activations: readonly (readonly number[])[];
  /** All layers' caches. */
  readonly caches: readonly { readonly slots: number; readonly shape: KvShape }[];
  /** The operations of a step, each kind once. */
  readonly operations: readonly Operation[];
}

/** Bytes that a workload takes of a backend before anything is computed. */
export interface MemoryNeed {
  readonly weights: number;
  readonly kv: number;
  /** Activations, and what the backend itself works with. */
  readonly activations: number;
  /** What there is for all of them together; Infinity where nobody knows. */
  readonly limit: number;
}

/** A kind of operation, with what decides which kernel computes it. */
export type Operation =
  | { readonly kind: "embed"; readonly type: WeightType }
  | {
      readonly kind: "rmsNorm";
      readonly eps: number;
      /** Heads that are normalised each by itself, where it is not the whole row. */
      readonly heads?: number;
    }
  | { readonly kind: "layerNorm"; readonly eps: number }
  | {
      readonly kind: "matmul";
      /** Of the weights that are multiplied together. */
      readonly types: readonly WeightType[];
      readonly columns: number;
      /** Whether the result of the only product is added to something next: backends may do both at once. */
      readonly added: boolean;
      /** Whether a bias is added to the results. */
      readonly biased?: true;
    }
  | {
      readonly kind: "gatedMatmul";
      readonly types: readonly [gate: WeightType, up: WeightType];
      readonly columns: number;
      /** Silu unless given. */
      readonly activation?: GateActivation;
    }
  | {
      readonly kind: "experts";
      readonly types: readonly [gate: WeightType, up: WeightType, down: WeightType];
    }
  | ({ readonly kind: "rope" } & Rotation)
  | {
      readonly kind: "attention";
      readonly heads: number;
      readonly cache: KvShape;
      readonly scale: number;
      readonly window?: number;
      readonly bidirectional?: true;
      /** How its queries and keys are rotated just before. */
      readonly rotation?: Rotation;
    }
  | { readonly kind: "gate"; readonly activation?: GateActivation }
  | { readonly kind: "addLowRank"; readonly types: readonly [down: WeightType, up: WeightType] }
  | { readonly kind: "addTo" }
  | { readonly kind: "gelu" }
  | { readonly kind: "scale" }
  | { readonly kind: "gather" };

/** How heads rotate. */
export interface Rotation {
  readonly style: RopeStyle;
  readonly headDim: number;
  /** Elements of a head that rotate. */
  readonly dims: number;
}
