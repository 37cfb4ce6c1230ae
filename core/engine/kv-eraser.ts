import type { Model } from "../model/model.ts";
import type { Backend } from "../tensor/backend.ts";

/**
 * Makes blocks zero that come from one tenant to another: whatever a defect elsewhere might read of a block
 * beyond what its holder has computed, it is nothing of anybody's. Models may share the blocks.
 */
export function createKvEraser(
  backend: Pick<Backend, "zeroKv">,
  ...models: readonly (Pick<Model, "cache" | "limits"> | undefined)[]
): (blocks: readonly number[]) => void {
  return (blocks) => {
    for (const { first, count } of runsOf(blocks)) {
      for (const model of models) {
        const { blockSize = 0 } = model?.limits ?? {};
        for (const layer of model?.cache ?? []) {
          backend.zeroKv(layer, first * blockSize, count * blockSize);
        }
      }
    }
  };
}

/** Neighbours together: a device is told once of each run, and they mostly are. */
function runsOf(blocks: readonly number[]): readonly { first: number; count: number }[] {
  const runs: { first: number; count: number }[] = [];
  for (const block of blocks.toSorted((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.count === block) last.count++;
    else runs.push({ first: block, count: 1 });
  }
  return runs;
}
