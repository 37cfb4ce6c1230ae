import type { TensorInfo } from "../gguf/gguf.ts";

/**
 * An adapter of low rank (Hu et al. 2021, LoRA) whose file has been opened and is sound in itself: what it adds to the
 * products of a network. Whether it suits a model is checked with that one (`checkLora`).
 */
export interface LoraFile {
  /** Its path or URL, for errors. */
  readonly name: string;
  /** `general.architecture` of the model that it is for; absent where its form does not say. */
  readonly architecture?: string;
  /** By the names that its model's weights have in GGUF: `blk.0.attn_q.weight`. */
  readonly sites: ReadonlyMap<string, LoraSite>;
  /** Bytes of its files. */
  readonly byteLength: number;
  /** Fill `into` from byte `offset` of a factor on. */
  read(factor: TensorInfo, offset: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** What is added to the product with one weight [m, k]: gain · up · down. */
export interface LoraSite {
  readonly down: TensorInfo; // [rank, k]
  readonly up: TensorInfo; // [m, rank]
  /** What the training multiplied by: alpha / rank. */
  readonly gain: number;
}

/** Two factors under one name while a file is read. */
export type LoraPair = { down?: TensorInfo; up?: TensorInfo };
