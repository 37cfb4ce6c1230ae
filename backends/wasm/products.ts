import type { Ops, Product } from "../../core/tensor/backend.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import { kernelId } from "./kernels.ts";
import type { OpsContext } from "./ops.ts";
import { createScratch } from "./scratch.ts";
import { ACTIVATION_BYTES, HOME, isQuantized, PANEL_ROWS } from "./tensors.ts";
import type { Piece, WasmTensor } from "./tensors.ts";

/** Nanoseconds, roughly, of a multiply-add, of quantising an element, of a gated one: what is worth sharing. */
const MULTIPLY_NS = 0.015;
const QUANTIZE_NS = 0.7;
const GATE_NS = 1.5;

const KERNELS = {
  quantize: kernelId("quantize_activations"),
  gate: { silu: kernelId("swiglu"), gelu_tanh: kernelId("geglu") },
  addRow: kernelId("add_row"),
} as const;

/**
 * Products with weights in panels. A row of weights is whole in one memory, so its product has the same bits wherever
 * the rows of a matrix are cut.
 */
export function createProducts(context: OpsContext): Pick<Ops, "matmul" | "gatedMatmul" | "gate"> {
  const { args, memories, exchange, executor, own } = context;
  const records = createScratch(context.scratch);

  /** What products with these weights read: x itself or its activation records, made here; copied to whichever memory asks. */
  const sourceOf = (x: WasmTensor, products: readonly Product[]): Source => {
    const { rows: n, width: k } = x;
    const bytes = ((n * k) / 32) * ACTIVATION_BYTES;
    const quantized = products.some(({ weight }) => isQuantized(weight.dtype));
    const acts = quantized ? records.at(bytes) : 0;
    if (quantized) {
      executor.part(n, k * QUANTIZE_NS);
      executor.step(KERNELS.quantize, args.put(acts, x.offset, k, n));
      executor.run();
    }
    let brought: Record<string, number> | undefined;
    return (type, memory) => {
      const packed = isQuantized(type);
      const at = packed ? acts : x.offset;
      if (memory === HOME) return at;
      brought ??= {};
      return (brought[`${memory} ${packed}`] ??= exchange.bring(
        memory,
        at,
        packed ? bytes : n * k * 4,
      ));
    };
  };

  /** Where a piece's product goes: to `out` itself where that is all of it, else to a place that is fetched from. */
  const placeOf = (w: WasmTensor, { memory, firstRow, rows }: Piece, out: WasmTensor): number => {
    if (w.isHome) return out.offset;
    const stride = out.width * 4;
    return exchange.result(memory, out.offset + firstRow * 4, out.rows, rows * 4, stride);
  };

  /** Add a piece's kernel to the part just begun. */
  const multiply = (
    x: WasmTensor,
    source: Source,
    w: WasmTensor,
    { memory, offset, rows }: Piece,
    to: number,
  ): void => {
    const from = source(w.dtype, memory);
    const at = memories[memory]!.args.put(to, offset, from, x.rows, rows, x.width);
    executor.step(w.matmul, at);
  };

  /** A product's weights and result. */
  const productOf = (x: WasmTensor, product: Product): readonly [WasmTensor, WasmTensor] => {
    const [w, out] = [own(product.weight), own(product.out)];
    check(w, x, out);
    return [w, out];
  };

  /** Begin a part for each piece of the products, with their biases. */
  const multiplyAll = (x: WasmTensor, source: Source, products: readonly Product[]): void => {
    for (const product of products) {
      const [w, out] = productOf(x, product);
      for (const piece of w.pieces) {
        const { memory, firstRow, rows } = piece;
        const to = placeOf(w, piece, out);
        executor.part(panelsOf(rows), panelCost(x), memory);
        multiply(x, source, w, piece, to);
        if (product.bias === undefined) continue;
        const bias = exchange.bring(memory, own(product.bias).offset + firstRow * 4, rows * 4);
        executor.step(KERNELS.addRow, memories[memory]!.args.put(to, bias, out.rows, rows));
      }
    }
  };

  const gate: Ops["gate"] = (gates, ups, activation = "silu") => {
    const [g, u] = [own(gates), own(ups)];
    if (g.rows !== u.rows || g.width !== u.width) {
      throw new RangeError(
        `Cannot gate "${u.label}" [${u.shape.join(", ")}] with "${g.label}" [${g.shape.join(", ")}]`,
      );
    }
    executor.part(panelsOf(g.width), g.rows * PANEL_ROWS * GATE_NS);
    executor.step(
      KERNELS.gate[activation],
      args.put(g.offset, g.offset, u.offset, g.rows, g.width),
    );
    executor.run();
  };

  return {
    gate,

    matmul(x, products) {
      const input = own(x);
      exchange.begin();
      multiplyAll(input, sourceOf(input, products), products);
      executor.run();
      exchange.fetch();
    },

    gatedMatmul(x, gated, up, activation = "silu") {
      const input = own(x);
      const g = own(gated.out);
      const u = own(up.out);
      if (g.width !== u.width) {
        throw new RangeError(
          `Cannot gate "${u.label}" of ${u.width} columns with "${g.label}" of ${g.width}`,
        );
      }
      exchange.begin();
      const source = sourceOf(input, [gated, up]);
      const gateCost = input.rows * PANEL_ROWS * GATE_NS;
      const [wg] = productOf(input, gated);
      const [wu] = productOf(input, up);
      if (!cutAlike(wg, wu)) {
        multiplyAll(input, source, [gated, up]);
        executor.run();
        exchange.fetch();
        return gate(gated.out, up.out, activation);
      }
      for (const [i, piece] of wg.pieces.entries()) {
        const { memory, rows } = piece;
        const to = placeOf(wg, piece, g);
        // Nobody asks for what the gate is multiplied with.
        const beside = wu.isHome ? u.offset : exchange.room(memory, input.rows * rows * 4);
        executor.part(panelsOf(rows), 2 * panelCost(input) + gateCost, memory);
        multiply(input, source, wg, piece, to);
        multiply(input, source, wu, wu.pieces[i]!, beside);
        const at = memories[memory]!.args.put(to, to, beside, input.rows, rows);
        executor.step(KERNELS.gate[activation], at);
      }
      executor.run();
      exchange.fetch();
    },
  };
}

/** Where a memory has what products with weights of a type read. */
type Source = (type: WeightType, memory: number) => number;

/** Whether the rows of two matrices lie in the same memories. */
function cutAlike(a: WasmTensor, b: WasmTensor): boolean {
  const [one, other] = [a.pieces, b.pieces];
  if (one.length !== other.length) return false;
  return one.every(({ memory, rows }, i) => memory === other[i]!.memory && rows === other[i]!.rows);
}

function panelsOf(rows: number): number {
  return Math.ceil(rows / PANEL_ROWS);
}

function panelCost(x: WasmTensor): number {
  return x.rows * x.width * PANEL_ROWS * MULTIPLY_NS;
}

/** A product's shapes must agree: the kernels trust them. */
function check(weight: WasmTensor, x: WasmTensor, out: WasmTensor): void {
  const [m = 0, k = 0] = weight.shape;
  if (!weight.panels || k !== x.width || m !== out.width || x.rows !== out.rows) {
    throw new RangeError(
      `Cannot multiply "${x.label}" [${x.shape.join(", ")}] with "${weight.label}" [${weight.shape.join(", ")}] ` +
        `into "${out.label}" [${out.shape.join(", ")}]`,
    );
  }
}
