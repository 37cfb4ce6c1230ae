import { describe, expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { RuntimeError } from "../../../core/errors.ts";
import { loadModel } from "../../../core/model/load.ts";
import type { Model, ModelLimits } from "../../../core/model/model.ts";
import { weightBytes } from "../../../core/model/tensors.ts";
import type { MemoryModel } from "../../fixtures/memory-model.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";
import { createRunner, prefill } from "../../fixtures/runner.ts";

const LIMITS: ModelLimits = { maxRows: 8, maxLogitRows: 2, blocks: 8, blockSize: 4 };

const load = (gguf: MemoryModel, limits = LIMITS): Promise<Model> =>
  loadModel(gguf, createReferenceBackend(), limits);

async function logitsOf(gguf: MemoryModel): Promise<Float32Array> {
  const backend = createReferenceBackend();
  const model = await loadModel(gguf, backend, LIMITS);
  return prefill(createRunner(backend, model), model, [1, 2, 3]);
}

async function codeOf(loading: Promise<unknown>): Promise<string> {
  const error: unknown = await loading.then(
    () => "none",
    (reason: unknown) => reason,
  );
  return RuntimeError.is(error) ? error.code : String(error);
}

describe("loadModel", () => {
  test("reads every tensor once, forward only, and reports the bytes", async () => {
    const gguf = memoryModel({ matrices: "q8_0" });
    // Tables in a file need not be in the order of the data.
    const entries = [...gguf.tensors].toReversed();
    gguf.tensors.clear();
    for (const [name, info] of entries) gguf.tensors.set(name, info);

    let at = 0;
    const forward: MemoryModel = {
      ...gguf,
      read(tensor, offset, into) {
        expect(tensor.offset + offset).toBe(at);
        at += into.byteLength;
        return gguf.read(tensor, offset, into);
      },
    };
    const seen: number[] = [];
    await loadModel(forward, createReferenceBackend(), LIMITS, (done, total) => {
      expect(total).toBe(gguf.byteLength);
      expect(done).toBe(at);
      seen.push(done);
    });
    expect(at).toBe(gguf.byteLength);
    expect(seen.length).toBeGreaterThanOrEqual(gguf.tensors.size);
  });

  test("uses the embedding as head where output.weight is absent", async () => {
    const tied = memoryModel({ tied: true });
    const untied = memoryModel({ tied: true });
    untied.add("output.weight", "f32", [50, 64]);
    untied.bytes.set("output.weight", untied.bytes.get("token_embd.weight")!);
    expect(await logitsOf(untied)).toEqual(await logitsOf(tied));
  });

  test("takes norms that are stored as 16-bit floats", async () => {
    const gguf = memoryModel({ vectors: "bf16" });
    const wide = memoryModel({ vectors: "bf16" });
    for (const info of wide.tensors.values()) {
      if (info.type !== "bf16") continue;
      // bfloat16 is the upper half of float32.
      const halves = new Uint16Array(wide.bytes.get(info.name)!.slice().buffer);
      const words = Uint32Array.from(halves, (half) => half * 65_536);
      wide.add(info.name, "f32", info.shape, new Float32Array(words.buffer));
    }
    expect(await logitsOf(gguf)).toEqual(await logitsOf(wide));
  });

  test("takes the divisors of rope_freqs.weight, and they change the result", async () => {
    const gguf = memoryModel();
    const plain = await logitsOf(gguf);
    gguf.add("rope_freqs.weight", "f32", [8], new Float32Array(8).fill(1));
    expect(await logitsOf(gguf)).toEqual(plain);
    const divisors = Float32Array.of(1, 1, 1, 2, 4, 8, 8, 8);
    gguf.add("rope_freqs.weight", "f32", [8], divisors);
    expect(await logitsOf(gguf)).not.toEqual(plain);
    const { config } = await load(gguf);
    expect(config.rope.scaling).toEqual({ type: "llama3", divisors });
  });

  test.for([0, -1, NaN, Infinity])("refuses a divisor of %s", async (divisor) => {
    const gguf = memoryModel();
    gguf.add("rope_freqs.weight", "f32", [8], new Float32Array(8).fill(divisor));
    expect(await codeOf(load(gguf))).toBe("MODEL_MALFORMED");
  });

  test("refuses divisors and another scaling together", async () => {
    const gguf = memoryModel();
    gguf.add("rope_freqs.weight", "f32", [8], new Float32Array(8).fill(1));
    gguf.metadata.set("llama.rope.scale_linear", 2);
    expect(await codeOf(load(gguf))).toBe("MODEL_UNSUPPORTED");
  });

  test("refuses a missing tensor", async () => {
    for (const name of ["output_norm.weight", "blk.1.ffn_up.weight"]) {
      const gguf = memoryModel();
      gguf.tensors.delete(name);
      await expect(load(gguf)).rejects.toThrow(name);
      expect(await codeOf(load(gguf))).toBe("MODEL_MALFORMED");
    }
  });

  test("refuses every tensor whose shape is not the configuration's", async () => {
    for (const { name, shape } of memoryModel().tensors.values()) {
      for (const wrong of [shape.map((size) => size + 1), [...shape, 1], shape.slice(1)]) {
        const gguf = memoryModel();
        gguf.add(name, "f32", wrong);
        expect(await codeOf(load(gguf)), `${name} [${wrong.join()}]`).toBe("MODEL_MALFORMED");
      }
    }
  });

  test.for([
    "blk.0.ffn_gate.bias",
    "blk.0.attn_q_norm.weight",
    "blk.0.ffn_gate_exps.weight",
    "blk.2.attn_q.weight",
    "output.bias",
  ])("refuses %s, which it would leave out", async (name) => {
    const gguf = memoryModel();
    gguf.add(name, "f32", [64]);
    await expect(load(gguf)).rejects.toThrow(name);
    expect(await codeOf(load(gguf))).toBe("MODEL_UNSUPPORTED");
  });

  test.for<Partial<ModelLimits>>([
    { maxRows: 0 },
    { maxRows: 1.5 },
    { maxLogitRows: 0 },
    { maxLogitRows: 9 },
    { blocks: 0 },
    { blocks: 2 ** 31 },
    { blockSize: 0 },
    { blockSize: 4096 },
  ])("refuses limits with %o", async (change) => {
    await expect(load(memoryModel(), { ...LIMITS, ...change })).rejects.toThrow(RangeError);
  });

  test("says INSUFFICIENT_RESOURCES where the backend has no room", async () => {
    const limits = { ...LIMITS, blocks: 2 ** 30, blockSize: 1 };
    expect(await codeOf(load(memoryModel(), limits))).toBe("INSUFFICIENT_RESOURCES");
  });

  test("hands on the error of a file that ends early", async () => {
    const gguf = memoryModel();
    const failure = new RuntimeError("MODEL_MALFORMED", "the file ends");
    await expect(load({ ...gguf, read: () => Promise.reject(failure) })).rejects.toBe(failure);
  });

  test("stops when the signal is aborted", async () => {
    const abort = new AbortController();
    let reads = 0;
    const loading = loadModel(
      memoryModel(),
      createReferenceBackend(),
      LIMITS,
      () => {
        reads += 1;
        if (reads === 3) abort.abort();
      },
      abort.signal,
    );
    expect(await codeOf(loading)).toBe("ABORTED");
    expect(reads).toBe(3);
  });
});

describe("weightBytes", () => {
  test("counts a tied embedding whole, because the head reads all of it", () => {
    const gguf = memoryModel({ tied: true });
    expect(weightBytes(gguf)).toEqual({ total: gguf.byteLength, perToken: gguf.byteLength });
  });

  test("counts one row of an embedding that is not the head", () => {
    const gguf = memoryModel({ matrices: "q8_0" });
    const perToken = gguf.byteLength - 49 * ((64 / 32) * 34);
    expect(weightBytes(gguf)).toEqual({ total: gguf.byteLength, perToken });
  });
});
