import type { GgufModel } from "../gguf/gguf.ts";
import { adaptModel } from "../lora/adapted-model.ts";
import { factorsOf, type NamedLora, toLoaded } from "../lora/load-lora.ts";
import type { Allocator, KvShape, Ops } from "../tensor/backend.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Operation, Rotation, Workload } from "../tensor/workload.ts";
import { architectureOf } from "./architectures.ts";
import { readConfig } from "./config.ts";
import { checkLimits } from "./limits.ts";
import type { Batch, Model, ModelLimits } from "./model.ts";
import { checkTensors, ROPE_FREQS } from "./tensors.ts";

/** A step like any other: what it asks for does not depend on its rows. */
const STEP: Batch = {
  tokens: Uint32Array.of(0),
  positions: Uint32Array.of(0),
  slots: Uint32Array.of(0),
  starts: Uint32Array.of(0, 1),
  blocks: Uint32Array.of(0),
  blockSize: 1,
  logitRows: Uint32Array.of(0),
};

/**
 * What a model will ask of a backend, found by making it without weights and writing down what it does.
 * Throws `MODEL_UNSUPPORTED`, `MODEL_MALFORMED`, and `RangeError` for limits that make no sense.
 *
 * @param loras The adapters that its rows may take.
 */
export function workloadOf(
  gguf: GgufModel,
  limits: ModelLimits,
  loras: readonly NamedLora[] = [],
): Workload {
  checkLimits(limits);
  const config = readConfig(gguf);
  const weights = new Map<string, Tensor>();
  for (const { name, type, shape } of checkTensors(gguf, config)) {
    // The divisors of the rotation stay here, and vectors are loaded as f32.
    if (name === ROPE_FREQS) continue;
    weights.set(name, { label: name, dtype: shape.length === 1 ? "f32" : type, shape });
  }
  const activations: (readonly number[])[] = [];
  const caches: { readonly slots: number; readonly shape: KvShape }[] = [];
  const shapes = new Map<object, KvShape>();
  const allocator: Allocator = {
    alloc(label, shape) {
      activations.push(shape);
      return { label, dtype: "f32", shape };
    },
    allocKv(label, slots, shape) {
      const layer = { label, slots };
      shapes.set(layer, shape);
      caches.push({ slots, shape });
      return layer;
    },
    view: (tensor, rows) => ({ ...tensor, shape: [rows, ...tensor.shape.slice(1)] }),
    write: () => {},
  };
  const architecture = architectureOf(config.architecture);
  const model = architecture.create(allocator, config, weights, limits);
  const { all, adapted } = adaptedBy(loras, model);
  const operations = distinct([
    ...stepsOf(model, STEP, shapes),
    ...(adapted === undefined ? [] : stepsOf(adapted, ADAPTED_STEP(loras.length), shapes)),
  ]);
  return { weights: [...weights.values(), ...all], activations, caches, operations };
}

/** The same step with every adapter. */
const ADAPTED_STEP = (loras: number): Batch => ({
  ...STEP,
  lora: Array.from({ length: loras }, (_, index) => ({ index, scales: Float32Array.of(1) })),
});

/** The factors of all adapters, and the model whose rows may take them; none where there are none. */
function adaptedBy(
  loras: readonly NamedLora[],
  model: Model,
): { readonly all: readonly Tensor[]; readonly adapted?: Model } {
  if (loras.length === 0) return { all: [] };
  const factors = new Map<string, Tensor>();
  const loaded = loras.map((lora) => {
    for (const { label, type, shape } of factorsOf(lora)) {
      factors.set(label, { label, dtype: type, shape });
    }
    return toLoaded(lora, (label) => factors.get(label)!);
  });
  return { all: [...factors.values()], adapted: adaptModel(model, loaded) };
}

function stepsOf(model: Model, batch: Batch, shapes: ReadonlyMap<object, KvShape>): Step[] {
  const steps: Step[] = [];
  model.forward(
    recorder(steps, (layer) => shapes.get(layer)!),
    batch,
  );
  return steps;
}

/** An operation, and the tensors by which it is known what belongs to the one before. */
interface Step {
  readonly operation: Operation;
  readonly reads: readonly Tensor[];
  readonly writes: readonly Tensor[];
}

function recorder(steps: Step[], shapeOf: (layer: object) => KvShape): Ops {
  const note = (
    operation: Operation,
    reads: readonly Tensor[] = [],
    writes: readonly Tensor[] = [],
  ): void => void steps.push({ operation, reads, writes });
  return {
    embed: (_out, table) => note({ kind: "embed", type: table.dtype }),
    rmsNorm(_out, x, weight, eps) {
      const heads = widthOf(x) / weight.shape[0]!;
      note({ kind: "rmsNorm", eps, ...(heads === 1 ? {} : { heads }) });
    },
    layerNorm: (_out, _x, _weight, _bias, eps) => note({ kind: "layerNorm", eps }),
    matmul(x, products) {
      const types = products.map(({ weight }) => weight.dtype);
      const outs = products.map(({ out }) => out);
      const biased = products.some(({ bias }) => bias !== undefined);
      const more = biased ? { biased } : {};
      note({ kind: "matmul", types, columns: widthOf(x), added: false, ...more }, [x], outs);
    },
    gatedMatmul(x, gate, up, activation) {
      const types = [gate.weight.dtype, up.weight.dtype] as const;
      const more = activation === undefined ? {} : { activation };
      note({ kind: "gatedMatmul", types, columns: widthOf(x), ...more });
    },
    gate(_gate, _up, activation) {
      note({ kind: "gate", ...(activation === undefined ? {} : { activation }) });
    },
    addLowRank: (_out, _x, { down, up }) =>
      note({ kind: "addLowRank", types: [down.dtype, up.dtype] }),
    experts(_out, _x, _router, { gate, up, down }) {
      note({ kind: "experts", types: [gate.dtype, up.dtype, down.dtype] });
    },
    rope(x, rotation, style) {
      const turn = { style, headDim: x.shape.at(-1)!, dims: widthOf(rotation) };
      note({ kind: "rope", ...turn }, [], [x]);
    },
    attention(...args) {
      const [, q, k, , kv, , { scale, window, bidirectional }] = args;
      const cache = shapeOf(kv);
      const heads = widthOf(q) / cache.headDim;
      note(
        {
          kind: "attention",
          heads,
          cache,
          scale,
          ...(window === undefined ? {} : { window }),
          ...(bidirectional === true ? { bidirectional } : {}),
        },
        [q, k],
      );
    },
    addTo: (_x, y) => note({ kind: "addTo" }, [y]),
    gelu: () => note({ kind: "gelu" }),
    scale: () => note({ kind: "scale" }),
    gather: () => note({ kind: "gather" }),
  };
}

/** Each kind once, with what a backend may do together put together. */
function distinct(steps: readonly Step[]): Operation[] {
  const found = new Map<string, Operation>();
  const add = (operation: Operation): void => {
    found.set(JSON.stringify(operation), operation);
  };
  for (let i = 0; i < steps.length; i++) {
    const { operation, writes } = steps[i]!;
    const next = steps[i + 1];
    const attended = attendedAfter(steps, i);
    if (attended !== undefined) {
      add(attended);
      i += 2;
    } else if (isAlone(operation) && writes.length === 1 && adds(next, writes[0]!)) {
      add({ ...operation, added: true });
      i += 1;
    } else {
      add(operation);
    }
  }
  return [...found.values()];
}

/** Whether it is a product that nothing is added to. */
function isAlone(operation: Operation): operation is Extract<Operation, { kind: "matmul" }> {
  return operation.kind === "matmul" && operation.biased !== true;
}

function adds(step: Step | undefined, tensor: Tensor): boolean {
  return step?.operation.kind === "addTo" && step.reads[0] === tensor;
}

/** The attention of which exactly the queries and the keys are rotated, alike, at `at` and after it. */
function attendedAfter(steps: readonly Step[], at: number): Operation | undefined {
  const [first, second, third] = steps.slice(at, at + 3);
  if (first?.operation.kind !== "rope" || second?.operation.kind !== "rope") return undefined;
  if (third?.operation.kind !== "attention") return undefined;
  const { style, headDim, dims } = first.operation;
  const same = first.writes[0] === third.reads[0] && second.writes[0] === third.reads[1];
  const alike = second.operation.style === style && second.operation.dims === dims;
  const rotation: Rotation = { style, headDim, dims };
  return same && alike ? { ...third.operation, rotation } : undefined;
}

/** Elements of a row. */
function widthOf({ shape }: Tensor): number {
  return shape.slice(1).reduce((product, size) => product * size, 1);
}
