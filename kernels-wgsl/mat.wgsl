// What the matrix kernels share: bindings, parameters, which products a workgroup computes, and what
// becomes of them. Joined with exp.wgsl and activation.wgsl.

/** 0: store, 1: store and add to the residual, 2: gate and up are the first two products, store activation(gate) * up. */
override EPILOGUE: u32 = 0u;

struct Product {
  /** Word of `weights` where its first row begins. */
  weight: u32,
  rows: u32,
  /** Word of `activations` where out[0, 0] is, and words from one row of it to the next. */
  out: u32,
  stride: u32,
}

struct Params {
  /** vec4 of `activations` where x[0, 0] is. */
  x: u32,
  /** vec4s of a row of x: k / 4. */
  k4: u32,
  row_bytes: u32,
  residual: u32,
  /** Rows of x. */
  n: u32,
  /** Workgroups of the first product, and of the first two. */
  first: u32,
  second: u32,
  /** 8: vec4s of 32 columns, given so that compilers leave the loop over them a loop. */
  step: u32,
  products: array<Product, 3>,
}

@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read_write> activations: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;

/** Which product a workgroup computes (x) and which of its tiles of rows (y). Wide matrices go on in z. */
fn tile_of(group: vec3<u32>, groups: vec3<u32>) -> vec2<u32> {
  let tile = group.x + group.z * groups.x;
  if (tile < params.first) {
    return vec2(0u, tile);
  }
  if (tile < params.second) {
    return vec2(1u, tile - params.first);
  }
  return vec2(2u, tile - params.second);
}

fn put(at: u32, value: f32) {
  activations[at >> 2u][at & 3u] = value;
}

fn finish(product: u32, token: u32, row: u32, value: f32) {
  let at = token * params.products[product].stride + row;
  put(params.products[product].out + at, value);
  if (EPILOGUE == 1u) {
    let residual = params.residual + at;
    put(residual, activations[residual >> 2u][residual & 3u] + value);
  }
}

fn finish_gated(token: u32, row: u32, gate: f32, up: f32) {
  let at = token * params.products[0].stride + row;
  put(params.products[0].out + at, activated(gate) * up);
}
