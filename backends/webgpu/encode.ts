import type { Profiler } from "./profile.ts";
import type { Work } from "./spec.ts";

/** A dispatch with all that encoding it takes. */
export interface ReadyDispatch extends Work {
  /** Of its kernel. */
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  /** Bytes among the parameters where its own begin. */
  readonly offset: number;
  readonly workgroups: readonly [number, number, number];
}

/** Encode dispatches that run one after another: together, or each alone where a profile takes its time. */
export function encode(
  encoder: GPUCommandEncoder,
  label: string,
  dispatches: readonly ReadyDispatch[],
  profiler: Profiler | undefined,
): void {
  if (profiler !== undefined) {
    for (const dispatch of dispatches) {
      const pass = encoder.beginComputePass(profiler.timed(dispatch));
      add(pass, dispatch);
      pass.end();
    }
    return;
  }
  const pass = encoder.beginComputePass({ label });
  for (const dispatch of dispatches) add(pass, dispatch);
  pass.end();
}

function add(
  pass: GPUComputePassEncoder,
  { pipeline, group, offset, workgroups }: ReadyDispatch,
): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group, [offset]);
  pass.dispatchWorkgroups(...workgroups);
}
