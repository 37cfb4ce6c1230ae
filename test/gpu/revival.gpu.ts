import { setImmediate, setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OpenDevice } from "../../backends/webgpu/device.ts";
import type { WebGpuBackend } from "../../backends/webgpu/backend.ts";
import type { TokenEvent } from "../../core/engine/engine.ts";
import type { OpenContext, OpenedEngine } from "../../core/engine/engine-succession.ts";
import { createEngine } from "../../core/engine/loop.ts";
import { type SupervisedEngine } from "../../core/engine/lasting-engine.ts";
import { superviseEngine, type SupervisionLimits } from "../../core/engine/supervised.ts";
import { loadModel } from "../../core/model/load.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import { askAll, STREAMS } from "../core/engine/supervised-rig.ts";
import { collect } from "../core/engine/rig.ts";
import { wasmBackend } from "../fixtures/kernels.ts";
import { memoryModel } from "../fixtures/memory-model.ts";
import { createRandom } from "../fixtures/random.ts";
import { createGpu, VARIANT } from "./backend.ts";

/** reliability.md F3. */
const LOSSES = 20;
const LIMITS = { maxRows: 64, maxLogitRows: 8, blocks: 64, blockSize: 16 };

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Engines on the GPU, and the latest of their backends: it alone, so that the others can be forgotten. */
interface Gpus {
  readonly engine: SupervisedEngine;
  readonly contexts: OpenContext[];
  readonly backend: () => WebGpuBackend;
}

async function start(backend: Backend): Promise<OpenedEngine> {
  const model = await loadModel(memoryModel({ vocabSize: 50 }), backend, LIMITS);
  const engine = createEngine({
    backend,
    model,
    maxSequences: 8,
    maxWaiting: 32,
    loadMs: 0,
    yieldTurn: () => setImmediate(),
    now: () => performance.now(),
  });
  const close = (): Promise<void> => engine.close();
  return { engine, close, discard: close };
}

async function supervise(limits: Partial<SupervisionLimits> = {}): Promise<Gpus> {
  const contexts: OpenContext[] = [];
  let latest: WebGpuBackend | undefined;
  const engine = await superviseEngine({
    async open(context) {
      contexts.push(context);
      if (context.degraded) return start(await wasmBackend("simd128", 1));
      latest = await createGpu();
      return start(latest);
    },
    limits: { mostDelayMs: 1, ...limits },
  });
  return { engine, contexts, backend: () => latest! };
}

/** Destroy a device in the middle of recording its n-th dispatch from now. */
function loseAt(device: GPUDevice, dispatch: number): void {
  let left = dispatch;
  const createEncoder = device.createCommandEncoder.bind(device);
  device.createCommandEncoder = (descriptor) => {
    const encoder = createEncoder(descriptor);
    const beginPass = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = (options) => {
      const pass = beginPass(options);
      const dispatchWorkgroups = pass.dispatchWorkgroups.bind(pass);
      pass.dispatchWorkgroups = (...count) => {
        if (--left === 0) device.destroy();
        dispatchWorkgroups(...count);
      };
      return pass;
    };
    return encoder;
  };
}

/** As a driver that gives no memory says so: in the error scope around a new buffer, and a first step makes some. */
function refuseMemory({ device }: OpenDevice): void {
  const pop = device.popErrorScope.bind(device);
  device.popErrorScope = async () => (await pop()) ?? { message: "no memory" };
}

/** Answers as JSON has them. */
const plain = (answers: readonly unknown[]): unknown =>
  JSON.parse(
    JSON.stringify(answers, (_, value: unknown) =>
      ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<number>) : value,
    ),
  );

/**
 * The same tokens, and of fractions three digits: what a device has computed row by row it computes anew in one go,
 * whose sums may be in another order.
 */
function nearly(value: unknown): unknown {
  if (typeof value === "number" && !Number.isInteger(value)) return expect.closeTo(value, 3);
  if (Array.isArray(value)) return value.map(nearly);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, nearly(inner)]));
}

describe(`engines on ${VARIANT} that break`, () => {
  let gpus: Gpus;
  let reference: unknown;
  /** Of asking everything once. */
  let dispatches: number;
  beforeAll(async () => {
    gpus = await supervise({ windowMs: 0 });
    await askAll(gpus.engine);
    const before = gpus.backend().counters().dispatches;
    reference = nearly(plain(await askAll(gpus.engine)));
    dispatches = gpus.backend().counters().dispatches - before;
  });
  afterAll(() => gpus.engine.close());

  test(`F3: by losing the device ${LOSSES} times at random answer all the same, and leave no memory behind`, async () => {
    const { engine, backend, contexts } = gpus;
    const random = createRandom(3);
    const bytes = backend().memory();
    const lost: WeakRef<GPUDevice>[] = [];
    for (let loss = 1; loss <= LOSSES; loss++) {
      const at = random.int(1, Math.floor(dispatches * 0.8));
      const { device } = backend().opened;
      loseAt(device, at);
      expect(plain(await askAll(engine)), `lost at dispatch ${at}`).toEqual(reference);
      expect(engine.condition()).toMatchObject({ state: "ready", broken: { device: loss } });
      expect(contexts).toHaveLength(loss + 1);
      expect(backend().memory()).toEqual(bytes);
      lost.push(new WeakRef(device));
    }
    // What a driver has given back is not all given back to the system, so that resident memory tells little.
    for (let i = 0; i < 3; i++) {
      await setTimeout(20);
      collectGarbage();
    }
    expect(lost.filter((one) => one.deref() !== undefined).length).toBeLessThanOrEqual(1);
  });

  test("F4: by a command that the device refuses answer all the same", async () => {
    const { engine, backend } = gpus;
    const { device } = backend().opened;
    const answers = askAll(engine);
    await collect(engine, STREAMS[0]!);
    device.createBuffer({ size: 4, usage: 0xffff });
    expect(plain(await answers)).toEqual(reference);
    expect(engine.condition().broken.device).toBe(LOSSES + 1);
  });

  test("F4: by a buffer for which there is no memory answer all the same, or say so", async () => {
    const { engine, backend } = await supervise();
    refuseMemory(backend().opened);
    expect(plain(await askAll(engine))).toEqual(reference);
    expect(engine.condition()).toMatchObject({ state: "ready", broken: { memory: 1, device: 0 } });
    await engine.close();
  });

  test("go on on the CPU after three losses, and an answer that was under way with them", async () => {
    const { engine, backend, contexts } = await supervise();
    await askAll(engine);
    for (let loss = 0; loss < 2; loss++) {
      backend().opened.device.destroy();
      await backend().failed;
      await collect(engine, STREAMS[0]!);
    }
    const events = engine.generate(STREAMS[1]!)[Symbol.asyncIterator]();
    const first = await events.next();
    backend().opened.device.destroy();
    const rest = [first];
    while (rest.at(-1)!.done !== true) rest.push(await events.next());
    expect(contexts.map(({ degraded }) => degraded)).toEqual([false, false, false, true]);
    expect(engine.info.backend).toBe("wasm-simd128");
    expect(engine.condition()).toMatchObject({ degraded: true, state: "ready", moved: 1 });
    // The CPU's own continuation of what the GPU had begun.
    const emitted = [(first.value as TokenEvent).token];
    const own = await collect(engine, { ...STREAMS[1]!, emitted });
    const tokens = rest.flatMap(({ value }) => (value?.type === "token" ? [value.token] : []));
    expect(tokens).toEqual([...emitted, ...own.tokens]);
    await engine.close();
  });
});
