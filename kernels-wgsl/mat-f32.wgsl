// F32 weights as they are.

fn values_of(row: u32, g: u32) -> array<vec4<f32>, 8> {
  let i = (row >> 2u) + 32u * g;
  return array<vec4<f32>, 8>(
    four(i), four(i + 4u), four(i + 8u), four(i + 12u), four(i + 16u), four(i + 20u), four(i + 24u), four(i + 28u),
  );
}

fn four(i: u32) -> vec4<f32> {
  return bitcast<vec4<f32>>(vec4(weights[i], weights[i + 1u], weights[i + 2u], weights[i + 3u]));
}
