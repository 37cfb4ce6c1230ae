import type { WeightType } from "../../core/tensor/dtype.ts";
import { byteLength, WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import { activationOf } from "./epilogue.ts";
import { WGSL } from "./generated.ts";
import { createPlainMatmul } from "./matmul-plain.ts";
import { productWork } from "./product-work.ts";
import type { Dispatch, KernelSpec, MatmulKernels, MatmulRequest, Traits } from "./spec.ts";

/** Columns that every kernel reads at a time: a block of the older types, an eighth of a k-quant's. */
const GROUP = 32;
/** Invocations of a workgroup of the `matvec` kernels. */
const WORKGROUP = 64;
/** Rows of x that a `share` holds the sums of at once. */
const SHARED_ROWS = 8;
/** Rows of x for which a `team` reads the weights again from the device's cache before a tile is better. */
const TEAM_ROWS = 2;
/** Invocations of a subgroup that together read 32 columns of x (kernels-wgsl/matvec-share.wgsl). */
const LEAST_SHARERS = 8;
/** Rows and tokens of a tile (kernels-wgsl/matmul.wgsl). */
const TILE_ROWS = 64;
const TILE_TOKENS = 32;
/** Where `products` begin in the parameters (kernels-wgsl/mat.wgsl), in words. */
const PRODUCTS_AT = 8;
const PRODUCT_WORDS = 4;

/**
 * Ways to compute the same products, between which a measurement decides: which of them is fast is a
 * matter of the device, not of its name.
 *
 * - `share`: an invocation has a row of the weight, and subgroups share x
 * - `team-1` … `team-32`: so many invocations go along a row side by side, or along four
 * - `tile`, `tile-f16`, `tile-int8`: tiles through a workgroup's memory (many rows of x)
 */
export type Variant = "share" | "team-1" | "team-8" | "team-32" | "tile" | "tile-f16" | "tile-int8";

/** Which variant computes few rows of x (a step of generation), and which many (prompts). */
export interface Preference {
  readonly few: Variant;
  readonly many: Variant;
}

/** Most rows of x that count as few. */
export function fewRows({ few }: Preference): number {
  return few === "share" ? SHARED_ROWS : TEAM_ROWS;
}

/** What the kernels are likely to be fastest with, before anything is measured. */
export function defaultPreference(traits: Traits): Preference {
  if (canShare(traits)) return { few: "share", many: "share" };
  return { few: "team-8", many: "tile" };
}

function canShare({ subgroups, subgroupSizes: [least] }: Traits): boolean {
  return subgroups && least >= LEAST_SHARERS;
}

/** The variants that can compute products of a type with so many rows of x. */
export function variantsFor(traits: Traits, type: WeightType, few: boolean): readonly Variant[] {
  const share: readonly Variant[] = canShare(traits) ? ["share"] : [];
  if (few) return [...share, "team-1", "team-8", "team-32"];
  const variants: Variant[] = [...share, "tile"];
  if (traits.f16) variants.push("tile-f16");
  if (traits.dot4 && isQuantised(type)) variants.push("tile-int8");
  return variants;
}

/** The matrix kernels. Rows of other lengths than a multiple of 32, which few models have, take the plain one. */
export function createMatmulKernels(
  traits: Traits,
  preference: Preference = defaultPreference(traits),
): MatmulKernels {
  const plain = createPlainMatmul();
  const kernels = new Map<string, KernelSpec>();
  const plan = (request: MatmulRequest): readonly Dispatch[] => {
    if (request.k % GROUP !== 0) return plain.plan(request);
    const few = request.n <= fewRows(preference);
    const wanted = few ? preference.few : preference.many;
    const variant = variantsFor(traits, request.type, few).includes(wanted)
      ? wanted
      : few
        ? "team-1"
        : "tile";
    const shape = shapeOf(variant, request);
    const { ACTIVATION } = activationOf(request.epilogue);
    const key = `${request.type} ${request.epilogue.type} ${ACTIVATION} ${shape.name}`;
    let kernel = kernels.get(key);
    if (kernel === undefined) {
      kernel = kernelOf(traits, shape, request);
      kernels.set(key, kernel);
    }
    return [dispatchOf(traits, kernel, shape, request)];
  };
  return { scratchWords: () => 0, plan };
}

/** How a variant cuts a request into workgroups. */
interface Shape {
  readonly name: string;
  readonly variant: Variant;
  /** Constants that come before the text of a `matvec`. */
  readonly lanes: number;
  readonly rows: number;
  readonly tokens: number;
  /** Rows of one product and rows of x that a workgroup computes. */
  readonly tileRows: number;
}

function shapeOf(variant: Variant, { n, epilogue }: MatmulRequest): Shape {
  const gated = epilogue.type === "gate";
  if (variant.startsWith("tile")) {
    const tileRows = gated ? TILE_ROWS / 2 : TILE_ROWS;
    const name = `matmul-${variant}`;
    return {
      name,
      variant,
      lanes: 1,
      rows: 8,
      tokens: TILE_TOKENS,
      tileRows,
    };
  }
  if (variant === "share") {
    const tokens = Math.min(SHARED_ROWS, 2 ** Math.ceil(Math.log2(n)));
    const name = `matvec-${variant}-${tokens}`;
    return { name, variant, lanes: 1, rows: 1, tokens, tileRows: WORKGROUP };
  }
  const lanes = Number(variant.slice("team-".length));
  const rows = lanes > 1 || gated ? 2 : 1;
  const tileRows = ((WORKGROUP / lanes) * rows) / (gated ? 2 : 1);
  return { name: `matvec-${variant}`, variant, lanes, rows, tokens: 1, tileRows };
}

function kernelOf(traits: Traits, shape: Shape, request: MatmulRequest): KernelSpec {
  const { variant, lanes, rows, tokens } = shape;
  const texts: string[] = [];
  if (variant.startsWith("tile")) {
    if (variant === "tile-f16") texts.push("enable f16;");
    texts.push(
      WGSL["exp"],
      WGSL["activation"],
      WGSL["mat"],
      ...typeTexts(request.type),
      WGSL["matmul-tile"],
    );
    if (variant === "tile-int8") texts.push(WGSL["matmul-int8"]);
    else texts.push(WGSL[variant === "tile-f16" ? "value-f16" : "value-f32"], WGSL["matmul"]);
  } else if (variant === "share") {
    texts.push("enable subgroups;", `const TOKENS = ${tokens}u;`);
    texts.push(
      WGSL["exp"],
      WGSL["activation"],
      WGSL["mat"],
      ...typeTexts(request.type),
      WGSL["matvec-share"],
    );
  } else {
    const sum = summation(traits, lanes);
    if (sum === "shuffle" || sum === "subgroup") texts.push("enable subgroups;");
    texts.push(
      `const WORKGROUP = ${WORKGROUP}u;\nconst LANES = ${lanes}u;\nconst ROWS = ${rows}u;`,
      WGSL["exp"],
      WGSL["activation"],
      WGSL["mat"],
      ...typeTexts(request.type),
      WGSL["matvec"],
      WGSL[`matvec-sum-${sum}`],
    );
  }
  const gated = request.epilogue.type === "gate";
  return {
    // What is joined depends on the name alone: rows follow from tokens and epilogue.
    name: `${shape.name}-${request.type}${gated ? "-gated" : ""}`,
    wgsl: texts.join("\n"),
    constants: {
      EPILOGUE: { store: 0, add: 1, gate: 2 }[request.epilogue.type],
      ...activationOf(request.epilogue),
    },
  };
}

/** How a team adds up: subgroups need no barrier, where they are known to be large enough. */
function summation(
  { subgroups, subgroupSizes: [least, most] }: Traits,
  lanes: number,
): "alone" | "subgroup" | "shuffle" | "workgroup" {
  if (lanes === 1) return "alone";
  if (!subgroups || least < lanes) return "workgroup";
  return most === lanes ? "subgroup" : "shuffle";
}

/** The text that reads weights of a type 32 at a time. */
export function typeTexts(type: WeightType): readonly string[] {
  if (!isQuantised(type)) return [WGSL[`mat-${type}`]];
  const scales = type === "q4_k" || type === "q5_k" ? [WGSL["mat-k-scales"]] : [];
  const table = type.startsWith("iq4") || type === "mxfp4" ? [WGSL["mat-table"]] : [];
  return [...scales, ...table, WGSL[`mat-${type}`], WGSL["mat-quants"]];
}

function isQuantised(type: WeightType): type is Exclude<WeightType, "f32" | "f16" | "bf16"> {
  return WEIGHT_TYPES[type].values > 1;
}

function dispatchOf(
  traits: Traits,
  kernel: KernelSpec,
  shape: Shape,
  request: MatmulRequest,
): Dispatch {
  const { n, k, products, epilogue } = request;
  const rowBytes = byteLength(request.type, k);
  const params = new Uint32Array(PRODUCTS_AT + PRODUCT_WORDS * 3);
  const residual = epilogue.type === "add" ? epilogue.residual : 0;
  const tiles = products.map(({ rows }) => Math.ceil(rows / shape.tileRows));
  const gated = epilogue.type === "gate";
  const [first = 0, second = 0, third = 0] = gated ? tiles.slice(0, 1) : tiles;
  params.set([request.x / 4, k / 4, rowBytes, residual, n, first, first + second, GROUP / 4]);
  for (const [i, { weight, rows, out, stride }] of products.entries()) {
    params.set([weight, rows, out, stride], PRODUCTS_AT + PRODUCT_WORDS * i);
  }
  const total = first + second + third;
  const x = Math.min(total, traits.workgroups);
  const y = Math.ceil(n / shape.tokens);
  return {
    kernel,
    params,
    workgroups: [x, y, Math.ceil(total / x)],
    ...productWork(request, y),
  };
}
