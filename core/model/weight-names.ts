import type { Tensor } from "../tensor/tensor.ts";
import type { ModelConfig } from "./model.ts";

/** Whether the file has a tensor of this name. */
export type Present = (name: string) => boolean;

/** Tensors of a network by GGUF's names, with shapes `[rows, columns]`. */
export interface NamedShapes {
  /** Of the whole. */
  readonly whole: Readonly<Record<string, readonly number[]>>;
  /** Of each layer, where the name follows `blk.N.`. */
  readonly layer: Readonly<Record<string, readonly number[]>>;
  /** Of each layer that has them. */
  readonly optional?: Readonly<Record<string, readonly number[]>>;
}

/** Every tensor of a network that a file has to have, and those that it may have and has. */
export function shapesOf(
  { layers }: ModelConfig,
  { whole, layer, optional = {} }: NamedShapes,
  present: Present,
): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map(Object.entries(whole));
  for (let i = 0; i < layers; i++) {
    for (const [name, shape] of Object.entries(layer)) shapes.set(`blk.${i}.${name}`, shape);
    for (const [name, shape] of Object.entries(optional)) {
      if (present(`blk.${i}.${name}`)) shapes.set(`blk.${i}.${name}`, shape);
    }
  }
  return shapes;
}

/** The loaded tensor of a name. Throws `TypeError` where it is missing. */
export function take(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new TypeError(`Cannot make the model: ${name} is not loaded`);
  return tensor;
}
