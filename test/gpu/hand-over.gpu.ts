import { describe, expect, test } from "vitest";
import type { WebGpuBackend } from "../../backends/webgpu/backend.ts";
import { type GpuKv, kvParts } from "../../backends/webgpu/tensors.ts";
import { KV_TYPES } from "../../core/tensor/kv-type.ts";
import type { Backend, KvLayer } from "../../core/tensor/backend.ts";
import { handOver } from "../fixtures/hand-over.ts";
import { MAP_READ, USAGE } from "./adapter.ts";
import { createGpu, VARIANT } from "./backend.ts";

/** What the device holds, past the backend. */
async function readSlots(
  backend: Backend,
  layer: KvLayer,
  first: number,
  count: number,
): Promise<Uint8Array> {
  const { device } = (backend as WebGpuBackend).opened;
  const kv = layer as GpuKv;
  const ranges = kvParts(kv).map(({ word, slotWords }) => ({
    from: 4 * (word + first * slotWords),
    bytes: 4 * count * slotWords,
  }));
  const size = ranges.reduce((sum, { bytes }) => sum + bytes, 0);
  const back = device.createBuffer({ size, usage: USAGE.copyTarget | USAGE.mapRead });
  const encoder = device.createCommandEncoder();
  let at = 0;
  for (const { from, bytes } of ranges) {
    if (bytes > 0) encoder.copyBufferToBuffer(kv.buffer, from, back, at, bytes);
    at += bytes;
  }
  device.queue.submit([encoder.finish()]);
  await back.mapAsync(MAP_READ);
  const copy = new Uint8Array(back.getMappedRange().slice(0));
  back.destroy();
  return copy;
}

describe(`blocks that come from one tenant to another, ${VARIANT}`, () => {
  test.for(KV_TYPES)("hold nothing of the former, cached as %s", async (kvType) => {
    const { alone, after, former, erased } = await handOver(() => createGpu(), kvType, readSlots);
    expect(after).toEqual(alone);
    expect(former).not.toEqual(alone);
    expect(erased).toEqual([0, 2]);
  });
});
