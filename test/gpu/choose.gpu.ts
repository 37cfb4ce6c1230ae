import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { chooseBackend } from "../../adapters/node/choose-backend.ts";
import { createReferenceBackend } from "../../backends/reference/backend.ts";
import { createContender } from "../../backends/webgpu/contender.ts";
import { openDevice } from "../../backends/webgpu/device.ts";
import { loadModel } from "../../core/model/load.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import { relativeError } from "../conformance/backend/tensors.ts";
import { memoryModel } from "../fixtures/memory-model.ts";
import { createRunner, prefill } from "../fixtures/runner.ts";
import { openGpu } from "./adapter.ts";
import { VARIANT, WITHOUT } from "./backend.ts";

/** Longer than any step of the tiny model, on whatever pretends to be a GPU here. */
const SLOW_MS = 300;

const model = { gguf: memoryModel({ matrices: "q8_0" }), room: { contextSize: 64, parallel: 1 } };
const LIMITS = { maxRows: 16, maxLogitRows: 1, blocks: 4, blockSize: 16 };
const PROMPT = [3, 1, 4, 1, 5, 9, 2, 6];

async function contender() {
  const opened = await openDevice(await openGpu(), { without: WITHOUT });
  if (opened === undefined) throw new Error("Cannot test WebGPU: the driver offers no adapter");
  return createContender(opened);
}

/** A CPU so slow that anything is faster. */
function slowCpu(): Backend {
  const sound = createReferenceBackend();
  return {
    ...sound,
    async run(record) {
      await sleep(SLOW_MS);
      return sound.run(record);
    },
  };
}

describe(`chooseBackend with ${VARIANT}`, () => {
  test("a device that wins goes on to compute the whole model, and closes", async () => {
    const contenders = { cpu: async () => slowCpu(), gpu: contender, measureSoftware: true };
    const { backend, choice } = await chooseBackend(contenders, model);
    expect([backend.name, choice.reason]).toEqual(["webgpu", "faster"]);
    const loaded = await loadModel(model.gguf, backend, LIMITS);
    const actual = await prefill(createRunner(backend, loaded), loaded, PROMPT);
    await backend.close();

    const reference = createReferenceBackend();
    const expected = await loadModel(model.gguf, reference, LIMITS);
    const right = await prefill(createRunner(reference, expected), expected, PROMPT);
    expect(relativeError(actual, right)).toBeLessThan(1e-3);
  });
});
