import type { KernelBuild } from "../../backends/wasm/select.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import type { ByteSource } from "../../core/gguf/source.ts";

/** What the cases need of the runtime they run in. */
export interface Environment {
  /** Every build of the kernels that this runtime takes, `simd128` first. */
  readonly kernels: readonly KernelBuild[];
  /** A backend that shares every operation among threads; absent where the runtime has none. */
  readonly threaded?: (build: KernelBuild, threads: number) => Promise<Backend>;
  /** A model's bytes; absent models are not asked for. */
  model(name: ModelName): Promise<ByteSource>;
  /** The models that are there. */
  readonly models: readonly ModelName[];
  /** Prompts of each kind (greedy, seeded) for the real model; the small ones always take all. */
  readonly prompts: number;
  yieldTurn(): Promise<void>;
}

/** Models whose logits have to be the same bits everywhere. */
export const MODEL_NAMES = ["stories260K", "demo", "smollm2"] as const;
export type ModelName = (typeof MODEL_NAMES)[number];

/** What the test asks an entry to do. */
export interface Task {
  /** Where the test serves models and kernels. */
  readonly base: string;
  readonly models: readonly ModelName[];
  readonly prompts: number;
}

/** What a case found; equal everywhere. `error` where it failed. */
export type Finding = { readonly value: string } | { readonly error: string };

/** By the case's name. */
export type Findings = Readonly<Record<string, Finding>>;

/** Before the line of output that holds the findings. */
export const MARK = "@@sirocco ";

/** SHA-256 in hex. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** SHA-256 of a text in hex. */
export function sha256Text(text: string): Promise<string> {
  return sha256(new TextEncoder().encode(text));
}
