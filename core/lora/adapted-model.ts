import type { Batch, LoraRows, Model } from "../model/model.ts";
import type { Ops, Product } from "../tensor/backend.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { LoadedLora } from "./load-lora.ts";

/** The weight of the one product that is made of the rows whose logits are wanted alone. */
const HEAD = "output.weight";

/**
 * A model whose rows may take adapters: behind each product that a row's adapter changes, what it adds is added. No
 * architecture knows of it, as adapters are found by the names of weights; and a step of which no row takes an adapter
 * is the step that it would be without any, operation by operation.
 */
export function adaptModel(model: Model, loras: readonly LoadedLora[]): Model {
  if (loras.length === 0) return model;
  return {
    ...model,
    lora: loras.map(({ name }) => name),
    forward(ops, batch) {
      const { lora = [] } = batch;
      if (lora.length === 0) return model.forward(ops, batch);
      return model.forward(adaptedOps(ops, batch, lora, loras), batch);
    },
  };
}

function adaptedOps(
  ops: Ops,
  batch: Batch,
  takers: readonly LoraRows[],
  loras: readonly LoadedLora[],
): Ops {
  const taken = takers.map(({ index, scales }) => ({ ...loras[index]!, scales }));
  const last = taken.map(({ scales }) => Float32Array.from(batch.logitRows, (row) => scales[row]!));

  function isAdapted({ weight }: Product): boolean {
    return taken.some(({ factors }) => factors.has(weight.label));
  }

  /** Adapters one after another, in the order of their numbers: sums have one order. */
  function adapt(x: Tensor, { weight, out }: Product): void {
    for (const [i, { factors, scales }] of taken.entries()) {
      const added = factors.get(weight.label);
      if (added === undefined) continue;
      ops.addLowRank(out, x, added, weight.label === HEAD ? last[i]! : scales);
    }
  }

  return {
    embed: (out, table, tokens) => ops.embed(out, table, tokens),
    rmsNorm: (out, x, weight, eps) => ops.rmsNorm(out, x, weight, eps),
    layerNorm: (out, x, weight, bias, eps) => ops.layerNorm(out, x, weight, bias, eps),
    matmul(x, products) {
      ops.matmul(x, products);
      for (const product of products) adapt(x, product);
    },
    rope: (x, rotation, style) => ops.rope(x, rotation, style),
    attention: (...operands) => ops.attention(...operands),
    gatedMatmul(x, gate, up, activation) {
      if (!isAdapted(gate) && !isAdapted(up)) return ops.gatedMatmul(x, gate, up, activation);
      // What is added has to be there before the gate.
      ops.matmul(x, [gate, up]);
      adapt(x, gate);
      adapt(x, up);
      ops.gate(gate.out, up.out, activation);
    },
    gate: (gate, up, activation) => ops.gate(gate, up, activation),
    addLowRank: (out, x, factors, scales) => ops.addLowRank(out, x, factors, scales),
    experts: (out, x, router, experts) => ops.experts(out, x, router, experts),
    gelu: (x) => ops.gelu(x),
    scale: (x, factor) => ops.scale(x, factor),
    addTo: (x, y) => ops.addTo(x, y),
    gather: (out, x, rows) => ops.gather(out, x, rows),
  };
}
