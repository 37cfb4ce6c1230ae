// What a tile of a matrix product holds: floats as they are.
alias Value = vec4<f32>;

fn to_value(x: vec4<f32>) -> Value {
  return x;
}
