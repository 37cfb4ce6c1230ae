import type { WeightType } from "../../core/tensor/dtype.ts";
import { planExperts } from "./experts.ts";
import * as kernels from "./kernels.ts";
import { planLowRank } from "./low-rank.ts";
import type { AttentionOp, Op, RecordedProduct } from "./recorder.ts";
import { MAX_PRODUCTS } from "./spec.ts";
import type { Dispatch, Epilogue, MatmulKernels, MatmulProduct } from "./spec.ts";
import { type Activations, sameTensor, type Weights } from "./tensors.ts";

/** A dispatch and the buffers that it binds beside activations and tables. */
export interface PlannedDispatch extends Dispatch {
  readonly arena?: number;
  readonly cache?: number;
}

/** What planning needs beside the operations. */
export interface PlanContext {
  readonly matmul: MatmulKernels;
  /** Word of the activations where scratch memory begins. */
  readonly scratch: number;
  /** {@linkcode Dispatch.workgroups} of one dimension. */
  readonly workgroups: number;
}

/**
 * The dispatches of a step. What a model writes down one by one is put together: products of the same x
 * with weights of one type, a product with the addition of its result, the rotation of queries and keys
 * with storing them. Every tensor holds afterwards what the operations say.
 */
export function planStep(ops: readonly Op[], context: PlanContext): PlannedDispatch[] {
  const plan: PlannedDispatch[] = [];
  for (let i = 0; i < ops.length;) i += planOp(ops, i, plan, context);
  for (const { kernel, workgroups } of plan) {
    if (workgroups.some((count) => count > context.workgroups)) {
      throw new RangeError(
        `Cannot dispatch ${kernel.name} on ${workgroups.join(" x ")} workgroups: the device takes ${context.workgroups}`,
      );
    }
  }
  // A step without rows has nothing to do.
  return plan.filter(({ workgroups }) => workgroups.every((count) => count > 0));
}

/** Plan the operation at `at` and those that it is put together with; returns how many they are. */
function planOp(
  ops: readonly Op[],
  at: number,
  plan: PlannedDispatch[],
  context: PlanContext,
): number {
  const op = ops[at]!;
  if (isElementwise(op)) {
    plan.push(elementwise(op));
    return 1;
  }
  switch (op.kind) {
    case "embed":
      for (const part of op.table.place.parts) {
        const dispatch = kernels.embedPart(op.out, op.table, part, op.entry);
        plan.push({ ...dispatch, arena: part.arena });
      }
      return 1;
    case "rmsNorm": {
      const dispatch = kernels.rmsNorm(op.out, op.x, op.weight, op.eps);
      plan.push({ ...dispatch, arena: arenaOf(op.weight) });
      return 1;
    }
    case "matmul": {
      const residual = residualOf(op.x, op.products, ops[at + 1]);
      const epilogue: Epilogue =
        residual === undefined ? { type: "store" } : { type: "add", residual: residual.place.word };
      planProducts(op.x, op.products, epilogue, plan, context);
      for (const { out, bias } of op.products) {
        if (bias === undefined) continue;
        plan.push({ ...kernels.addRow(out, bias), arena: arenaOf(bias) });
      }
      return residual === undefined ? 1 : 2;
    }
    case "layerNorm": {
      const { out, x, weight, bias, eps } = op;
      plan.push({ ...kernels.layerNorm(out, x, weight, eps), arena: arenaOf(weight) });
      plan.push({ ...kernels.addRow(out, bias), arena: arenaOf(bias) });
      return 1;
    }
    case "gated":
      planGated(op, plan, context);
      return 1;
    case "addLowRank":
      plan.push(...planLowRank(op, context.scratch));
      return 1;
    case "experts":
      plan.push(...planExperts(op, context.scratch));
      return 1;
    case "rope": {
      const attended = ropeBeforeAttention(ops, at);
      if (attended === undefined) {
        plan.push(kernels.rope(op.x, op));
        return 1;
      }
      planAttention(attended, op, plan);
      return 3;
    }
    case "attention":
      planAttention(op, undefined, plan);
      return 1;
    default:
      return unknown(op);
  }
}

type ElementwiseOp = Extract<Op, { kind: "gate" | "gelu" | "scale" | "addTo" | "gather" }>;

const ELEMENTWISE: ReadonlySet<string> = new Set(["gate", "gelu", "scale", "addTo", "gather"]);

function isElementwise(op: Op): op is ElementwiseOp {
  return ELEMENTWISE.has(op.kind);
}

/** An operation of one dispatch that reads no weight. */
function elementwise(op: ElementwiseOp): PlannedDispatch {
  switch (op.kind) {
    case "gate":
      return kernels.gate(op.gate, op.up, op.activation);
    case "gelu":
      return kernels.gelu(op.x);
    case "scale":
      return kernels.scale(op.x, op.factor);
    case "addTo":
      return kernels.add(op.x, op.y);
    case "gather":
      return kernels.gather(op.out, op.x, op.entry);
    default:
      return unknown(op);
  }
}

/** Where a vector lies. */
function arenaOf({ place }: Weights): number {
  return place.parts[0]!.arena;
}

function unknown(op: never): never {
  throw new TypeError(`Cannot plan ${JSON.stringify(op)}`);
}

/** The tensor to which the only product of an operation is added next, unless it is x itself or a bias comes first. */
function residualOf(
  x: Activations,
  products: readonly RecordedProduct[],
  next: Op | undefined,
): Activations | undefined {
  const [product] = products;
  if (products.length !== 1 || product === undefined || next?.kind !== "addTo") return undefined;
  if (product.bias !== undefined) return undefined;
  const added = sameTensor(next.y, product.out);
  const apart = next.x.place !== x.place && next.x.place !== product.out.place;
  return added && apart ? next.x : undefined;
}

/** The attention before which exactly its queries and keys are rotated, both alike. */
function ropeBeforeAttention(ops: readonly Op[], at: number): AttentionOp | undefined {
  const [first, second, attended] = ops.slice(at, at + 3);
  if (first?.kind !== "rope" || second?.kind !== "rope" || attended?.kind !== "attention") {
    return undefined;
  }
  const alike = first.style === second.style && sameTensor(first.rotation, second.rotation);
  const { headDim } = attended.kv.shape;
  const heads = first.x.shape.at(-1) === headDim && second.x.shape.at(-1) === headDim;
  const same = sameTensor(first.x, attended.q) && sameTensor(second.x, attended.k);
  return alike && heads && same ? attended : undefined;
}

function planAttention(
  op: AttentionOp,
  turn: kernels.Rotation | undefined,
  plan: PlannedDispatch[],
): void {
  plan.push({ ...kernels.ropeStore(op, turn), cache: op.kv.index });
  plan.push({ ...kernels.attention(op), cache: op.kv.index });
}

/** Products in as few dispatches as their types and arenas allow. */
function planProducts(
  x: Activations,
  products: readonly RecordedProduct[],
  epilogue: Epilogue,
  plan: PlannedDispatch[],
  { matmul, scratch }: PlanContext,
): void {
  if (x.rows === 0) return;
  const groups = new Map<
    string,
    { type: WeightType; arena: number; products: MatmulProduct[][] }
  >();
  for (const { weight, out } of products) {
    for (const { arena, word, firstRow, rows } of weight.place.parts) {
      const key = `${weight.dtype} ${arena}`;
      const group = groups.get(key) ?? { type: weight.dtype, arena, products: [[]] };
      groups.set(key, group);
      if (group.products.at(-1)!.length === MAX_PRODUCTS) group.products.push([]);
      const to = out.place.word + firstRow;
      group.products.at(-1)!.push({ weight: word, rows, out: to, stride: weight.rows });
    }
  }
  for (const { type, arena, products: lists } of groups.values()) {
    // An epilogue that adds has one product, of which every part is a request of its own.
    const requests = epilogue.type === "add" ? lists.flat().map((product) => [product]) : lists;
    for (const request of requests) {
      const dispatches = matmul.plan({
        type,
        n: x.rows,
        k: x.width,
        x: x.place.word,
        products: request,
        epilogue: shifted(epilogue, request[0]!.out - products[0]!.out.place.word),
        scratch,
      });
      for (const dispatch of dispatches) plan.push({ ...dispatch, arena });
    }
  }
}

/** The epilogue of a part whose outputs begin `words` after the first. */
function shifted(epilogue: Epilogue, words: number): Epilogue {
  if (epilogue.type !== "add") return epilogue;
  return { type: "add", residual: epilogue.residual + words };
}

function planGated(
  { x, gate, up, activation }: Extract<Op, { kind: "gated" }>,
  plan: PlannedDispatch[],
  context: PlanContext,
): void {
  const [a, b] = [gate.weight.place.parts, up.weight.place.parts];
  const together =
    gate.weight.dtype === up.weight.dtype &&
    a.length === 1 &&
    b.length === 1 &&
    a[0]!.arena === b[0]!.arena;
  const epilogue: Epilogue = together ? { type: "gate", activation } : { type: "store" };
  planProducts(x, [gate, up], epilogue, plan, context);
  if (!together) plan.push(kernels.gate(gate.out, up.out, activation));
}
