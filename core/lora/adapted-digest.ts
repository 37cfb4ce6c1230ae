import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

/** How much of which adapter. */
export interface WeighedLora {
  /** Of its files. */
  readonly digest: string;
  readonly scale: number;
}

/**
 * Identifies a model with adapters as a model's digest does: by what is computed with, and not by what it is called.
 * Adapters are in the order in which they are added, which decides about last bits.
 */
export function adaptedDigest(model: string, loras: readonly WeighedLora[]): string {
  const lines = loras.map(({ digest, scale }) => `lora ${digest} ${Math.fround(scale)}`);
  return bytesToHex(sha256(new TextEncoder().encode([model, ...lines].join("\n"))));
}
