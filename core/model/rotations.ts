import { log } from "../numeric/log.ts";
import type { Allocator } from "../tensor/backend.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { createActivations, memoise } from "./activations.ts";
import type { ModelConfig, RopeConfig } from "./model.ts";
import { createRope } from "./rope.ts";
import { isWindowed } from "./window.ts";

/** How a step's positions rotate queries and keys, each [rows, rope.dims / 2, 2]; often the same tensor. */
export interface Rotations {
  readonly rotation: Tensor;
  /** Of queries where attention has a temperature, which their length carries. */
  readonly queryRotation: Tensor;
  /** Of both in layers with the window. */
  readonly localRotation: Tensor;
}

/** A step's rotations on the device. */
export interface StepRotations {
  of(rows: number): Rotations;
  write(positions: Uint32Array): void;
}

/** The rotations that a configuration asks for, for steps of up to `maxRows` rows. */
export function createRotations(
  backend: Allocator,
  config: ModelConfig,
  maxRows: number,
): StepRotations {
  const { rope, localRope, attentionTemperature: temperature } = config;
  const usual = createTable(backend, "rotation", rope, maxRows);
  const local = localRope && createTable(backend, "localRotation", localRope, maxRows);
  const query = temperature && createTable(backend, "queryRotation", rope, maxRows, temperature);
  return {
    of: memoise((rows) => {
      const rotation = usual.of(rows);
      return {
        rotation,
        queryRotation: query?.of(rows) ?? rotation,
        localRotation: local?.of(rows) ?? rotation,
      };
    }),
    write(positions) {
      for (const table of [usual, local, query]) table?.write(positions);
    },
  };
}

/** How a layer's queries and keys are rotated. */
export function rotationsOf(
  config: ModelConfig,
  layer: number,
  { rotation, queryRotation, localRotation }: Rotations,
): { readonly query: Tensor; readonly key: Tensor } {
  if (config.localRope === undefined || !isWindowed(config, layer)) {
    return { query: queryRotation, key: rotation };
  }
  return { query: localRotation, key: localRotation };
}

interface Table {
  of(rows: number): Tensor;
  write(positions: Uint32Array): void;
}

function createTable(
  backend: Allocator,
  name: string,
  config: RopeConfig,
  maxRows: number,
  temperature?: { readonly scale: number; readonly length: number },
): Table {
  const { dims } = config;
  const rope = createRope(config);
  const angles = new Float32Array(maxRows * dims);
  const views = createActivations(backend, maxRows, { [name]: [dims / 2, 2] });
  return {
    of: (rows) => views(rows)[name]!,
    write(positions) {
      const used = angles.subarray(0, positions.length * dims);
      rope.rotations(positions, used);
      if (temperature !== undefined) {
        const { scale, length } = temperature;
        for (const [row, position] of positions.entries()) {
          const factor = 1 + scale * log(1 + Math.floor(position / length));
          for (let i = row * dims; i < (row + 1) * dims; i++) used[i]! *= factor;
        }
      }
      backend.write(views(positions.length)[name]!, used);
    },
  };
}
