// What a tile of a matrix product holds: halves, so that twice as much fits and half as much is moved. They are
// multiplied as floats: sums of halves would overflow. Joined after `enable f16;`.
alias Value = vec4<f16>;

fn to_value(x: vec4<f32>) -> Value {
  return Value(clamp(x, vec4(-65504.0), vec4(65504.0)));
}
