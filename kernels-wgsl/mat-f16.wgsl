// F16 weights, which no feature is needed to read.

fn values_of(row: u32, g: u32) -> array<vec4<f32>, 8> {
  let i = (row >> 2u) + 16u * g;
  return array<vec4<f32>, 8>(
    four(i), four(i + 2u), four(i + 4u), four(i + 6u), four(i + 8u), four(i + 10u), four(i + 12u), four(i + 14u),
  );
}

fn four(i: u32) -> vec4<f32> {
  return vec4(unpack2x16float(weights[i]), unpack2x16float(weights[i + 1u]));
}
