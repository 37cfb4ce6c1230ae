// out[n, m] = x[n, k] · w[m, k]ᵀ, one invocation for each output; joined with weights.wgsl, exp.wgsl and activation.wgsl.
// For every type, and the readable version of the other matrix kernels. Oracle: backends/reference.

/** 0: store, 1: add to the residual too, 2: activation(first) * second. */
override EPILOGUE: u32 = 0u;

struct Product {
  weight: u32,
  rows: u32,
  out: u32,
  stride: u32,
}

struct Params {
  x: u32,
  k: u32,
  row_bytes: u32,
  residual: u32,
  products: array<Product, 3>,
}

@group(0) @binding(1) var<storage, read_write> activations: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

fn dot_row(weight: u32, row: u32, x: u32) -> f32 {
  let first = 4u * weight + row * params.row_bytes;
  var sum = 0.0;
  for (var c = 0u; c < params.k; c++) {
    sum += activations[x + c] * weight_at(first, c);
  }
  return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let m = group.x * 64u + lane;
  let product = params.products[group.z];
  if (m >= product.rows) {
    return;
  }
  let x = params.x + group.y * params.k;
  let at = group.y * product.stride + m;
  let sum = dot_row(product.weight, m, x);
  if (EPILOGUE == 2u) {
    activations[product.out + at] = activated(sum) * dot_row(params.products[1].weight, m, x);
    return;
  }
  activations[product.out + at] = sum;
  if (EPILOGUE == 1u) {
    activations[params.residual + at] += sum;
  }
}
