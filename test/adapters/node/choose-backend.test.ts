import { afterEach, describe, expect, test, vi } from "vitest";
import { chooseBackend, type Contenders } from "../../../adapters/node/choose-backend.ts";
import type { GpuContender } from "../../../backends/choose.ts";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import type { Backend } from "../../../core/tensor/backend.ts";
import type { MemoryNeed, Workload } from "../../../core/tensor/workload.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";
import { ALL_OPERATIONS, leavingOut } from "../../fixtures/wrong-backend.ts";

/** What a machine has: how long a step takes on its GPU and its CPU, and what happened to them. */
interface Rig extends Contenders {
  readonly gpuMs: number;
  readonly cpuMs: number;
  /** What is open now, and how often each was made. */
  readonly open: Set<string>;
  readonly made: string[];
  readonly now: () => number;
}

interface RigOptions {
  readonly gpuMs?: number;
  readonly cpuMs?: number;
  readonly software?: boolean;
  readonly measureSoftware?: boolean;
  readonly spoil?: (backend: Backend) => Backend;
  readonly need?: GpuContender["need"];
  readonly gpu?: Contenders["gpu"];
}

function needOf(workload: Workload): MemoryNeed {
  return createReferenceBackend().need(workload);
}

function createRig(options: RigOptions = {}): Rig {
  const { gpuMs = 1, cpuMs = 10, software = false, spoil = (sound) => sound } = options;
  const open = new Set<string>();
  const made: string[] = [];
  let time = 0;
  const make = (name: string, ms: number): Backend => {
    const sound = createReferenceBackend();
    made.push(name);
    open.add(name);
    return {
      ...sound,
      name,
      run(record) {
        time += ms;
        return sound.run(record);
      },
      close() {
        open.delete(name);
        return sound.close();
      },
    };
  };
  const contender: GpuContender = {
    description: "acme fast-1",
    software,
    need: options.need ?? needOf,
    backend: async () => spoil(make("tried gpu", gpuMs)),
    keep: async () => spoil(make("gpu", gpuMs)),
    close: () => open.delete("device"),
  };
  return {
    gpuMs,
    cpuMs,
    open,
    made,
    now: () => time,
    cpu: async () => make("cpu", cpuMs),
    gpu:
      options.gpu ??
      (async () => {
        open.add("device");
        return contender;
      }),
    ...(options.measureSoftware === undefined ? {} : { measureSoftware: options.measureSoftware }),
  };
}

/** The logits of a model's head are lost, and those of the self-test are not: as where a large buffer is bound in part. */
function losingLogits(sound: Backend): Backend {
  return {
    ...sound,
    async read(tensor) {
      const values = (await sound.read(tensor)).slice();
      return tensor.label === "logits" && values.length === 50 ? values.fill(0) : values;
    },
  };
}

const model = { gguf: memoryModel({ layers: 4 }), room: { contextSize: 64 } };

afterEach(() => {
  vi.useRealTimers();
});

describe("chooseBackend", () => {
  test("keeps the GPU where it is faster, and closes all that was tried", async () => {
    const rig = createRig();
    const { backend, choice } = await chooseBackend(rig, model, rig);
    expect(backend.name).toBe("gpu");
    expect(choice).toEqual({
      reason: "faster",
      detail: expect.stringMatching(/on acme fast-1, .* on WebAssembly$/) as string,
    });
    expect(rig.made).toEqual(["tried gpu", "cpu", "gpu"]);
    expect([...rig.open]).toEqual(["device", "gpu"]);
  });

  test("takes the CPU where the GPU is slower, and gives the GPU up", async () => {
    const rig = createRig({ gpuMs: 10, cpuMs: 1 });
    const { backend, choice } = await chooseBackend(rig, model, rig);
    expect(backend.name).toBe("cpu");
    expect(choice.reason).toBe("slower");
    expect([...rig.open]).toEqual(["cpu"]);
  });

  test("a GPU that computes nothing loses, however fast, and is not measured", async () => {
    const rig = createRig({ spoil: (backend) => leavingOut(backend, ALL_OPERATIONS) });
    const { backend, choice } = await chooseBackend(rig, model, rig);
    expect(backend.name).toBe("cpu");
    expect(choice).toEqual({
      reason: "wrong",
      detail: expect.stringMatching(/^acme fast-1: embed f32 is off by/) as string,
    });
    expect(rig.made).toEqual(["tried gpu", "cpu"]);
    expect([...rig.open]).toEqual(["cpu"]);
  });

  test("a GPU that errs in one kernel only loses, too", async () => {
    const rig = createRig({ spoil: (backend) => leavingOut(backend, ["gatedMatmul"]) });
    const { choice } = await chooseBackend(rig, model, rig);
    expect(choice).toMatchObject({ reason: "wrong" });
    expect(choice.detail).toMatch(/gatedMatmul f32/);
  });

  test("a GPU that errs where tensors are large loses by its logits", async () => {
    const rig = createRig({ spoil: losingLogits });
    const { backend, choice } = await chooseBackend(rig, model, rig);
    expect([backend.name, choice.reason]).toEqual(["cpu", "wrong"]);
  });

  test("a GPU that is a CPU is not tried unless that is asked for", async () => {
    const rig = createRig({ software: true });
    const { choice } = await chooseBackend(rig, model, rig);
    expect(choice.reason).toBe("software");
    expect(rig.made).toEqual(["cpu"]);
    expect([...rig.open]).toEqual(["cpu"]);

    const asked = createRig({ software: true, measureSoftware: true });
    expect((await chooseBackend(asked, model, asked)).choice.reason).toBe("faster");
  });

  test.for([
    ["memory", { weights: 2, kv: 1, activations: 1, limit: 3 }],
    ["limits", new RangeError("activations take 9 bytes, the device binds 8 at once")],
  ] as const)(
    "a GPU that cannot hold the model is not tried, for its %s",
    async ([reason, need]) => {
      const rig = createRig({
        need() {
          if (need instanceof RangeError) throw need;
          return need;
        },
      });
      const { backend, choice } = await chooseBackend(rig, model, rig);
      expect(backend.name).toBe("cpu");
      expect(choice.reason).toBe(reason);
      expect(rig.made).toEqual(["cpu"]);
      expect([...rig.open]).toEqual(["cpu"]);
    },
  );

  test("a GPU computes what the CPU cannot hold, however slowly", async () => {
    const rig = createRig({ gpuMs: 100, cpuMs: 1 });
    const small = async (): Promise<Backend> => ({
      ...(await rig.cpu()),
      need: () => ({ weights: 2, kv: 1, activations: 1, limit: 3 }),
    });
    const { backend, choice } = await chooseBackend({ ...rig, cpu: small }, model, rig);
    expect(backend.name).toBe("gpu");
    expect(choice).toEqual({
      reason: "only",
      detail: "acme fast-1; WebAssembly cannot hold the model",
    });
    expect([...rig.open]).toEqual(["device", "gpu"]);
  });

  test("what is refused before is not tried, and the reason stays", async () => {
    const refusal = { reason: "no_gpu", detail: "none" } as const;
    const rig = createRig({ gpu: async () => refusal });
    const { backend, choice } = await chooseBackend(rig, model, rig);
    expect(backend.name).toBe("cpu");
    expect(choice).toEqual(refusal);
    expect(rig.made).toEqual(["cpu"]);
  });

  test.for<[string, RigOptions]>([
    ["opening it rejects", { gpu: () => Promise.reject(new Error("the driver said no")) }],
    [
      "a step rejects",
      {
        spoil: (sound) => ({
          ...sound,
          loadWeight: (label, ...rest) =>
            label.startsWith("blk.")
              ? Promise.reject(new Error("the driver said no"))
              : sound.loadWeight(label, ...rest),
        }),
      },
    ],
  ])("the CPU computes where %s", async ([, options]) => {
    const rig = createRig(options);
    const { backend, choice } = await chooseBackend(rig, model, rig);
    expect(backend.name).toBe("cpu");
    expect(choice).toEqual({ reason: "failed", detail: "the driver said no" });
    expect([...rig.open]).toEqual(["cpu"]);
  });

  test("the CPU computes where the driver hangs", async () => {
    vi.useFakeTimers();
    const rig = createRig({ gpu: () => new Promise(() => {}) });
    const choosing = chooseBackend(rig, model, rig);
    await vi.advanceTimersByTimeAsync(10_000);
    expect((await choosing).choice).toEqual({
      reason: "failed",
      detail: "opening the GPU took more than 10 s",
    });
  });

  test("a device that opens too late is closed", async () => {
    vi.useFakeTimers();
    const opening = Promise.withResolvers<GpuContender>();
    const rig = createRig({ gpu: () => opening.promise });
    const choosing = chooseBackend(rig, model, rig);
    await vi.advanceTimersByTimeAsync(10_000);
    await choosing;
    const close = vi.fn<() => void>();
    const backend = (): Promise<Backend> => rig.cpu();
    opening.resolve({
      description: "",
      software: false,
      need: needOf,
      backend,
      keep: backend,
      close,
    });
    await vi.advanceTimersByTimeAsync(0);
    expect(close).toHaveBeenCalledOnce();
  });

  test("an abort ends it and leaves nothing open", async () => {
    const abort = new AbortController();
    const rig = createRig({
      spoil: (sound) => {
        abort.abort();
        return sound;
      },
    });
    const choosing = chooseBackend(rig, model, { now: rig.now, signal: abort.signal });
    await expect(choosing).rejects.toMatchObject({ code: "ABORTED" });
    expect([...rig.open]).toEqual([]);
  });
});
