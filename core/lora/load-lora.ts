import { RuntimeError } from "../errors.ts";
import type { TensorInfo } from "../gguf/gguf.ts";
import { fitting } from "../model/load.ts";
import type { Backend, LowRank } from "../tensor/backend.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { LoraFile } from "./lora-file.ts";

/** An adapter by its name, its file open and checked with the model. */
export interface NamedLora {
  readonly name: string;
  readonly file: LoraFile;
}

/** Close the files of adapters. */
export async function closeLoras(loras: readonly NamedLora[]): Promise<void> {
  await Promise.all(loras.map(({ file }) => file.close()));
}

/** An adapter's factors in a backend, by the names of the weights to whose products they add. */
export interface LoadedLora {
  readonly name: string;
  readonly factors: ReadonlyMap<string, LowRank>;
}

/** Each factor of an adapter as it will be loaded, in the order of the file. */
export function factorsOf({ name, file }: NamedLora): readonly (TensorInfo & {
  readonly label: string;
})[] {
  return [...file.sites]
    .flatMap(([weight, { down, up }]) => [
      { ...down, label: labelOf(name, weight, "lora_a") },
      { ...up, label: labelOf(name, weight, "lora_b") },
    ])
    .toSorted((a, b) => a.shard - b.shard || a.offset - b.offset);
}

/** What a factor is called in errors, and found by. */
function labelOf(lora: string, weight: string, factor: "lora_a" | "lora_b"): string {
  return `${lora}: ${weight}.${factor}`;
}

/** An adapter of factors that are found by their labels. */
export function toLoaded({ name, file }: NamedLora, find: (label: string) => Tensor): LoadedLora {
  const factors = new Map<string, LowRank>();
  for (const [weight, { gain }] of file.sites) {
    factors.set(weight, {
      down: find(labelOf(name, weight, "lora_a")),
      up: find(labelOf(name, weight, "lora_b")),
      gain,
    });
  }
  return { name, factors };
}

/**
 * Bring an adapter's factors into a backend, as they are in the file. Rejects with `INSUFFICIENT_RESOURCES` where there
 * is no room, and with `ABORTED`.
 */
export async function loadLora(
  lora: NamedLora,
  backend: Backend,
  signal?: AbortSignal,
): Promise<LoadedLora> {
  const tensors = new Map<string, Tensor>();
  for (const factor of factorsOf(lora)) {
    const { label, type, shape } = factor;
    const read = async (offset: number, into: Uint8Array): Promise<void> => {
      if (signal?.aborted === true) {
        throw new RuntimeError("ABORTED", "Loading was aborted", { cause: signal.reason });
      }
      await lora.file.read(factor, offset, into);
    };
    tensors.set(label, await fitting(label, () => backend.loadWeight(label, type, shape, read)));
  }
  return toLoaded(lora, (label) => tensors.get(label)!);
}
