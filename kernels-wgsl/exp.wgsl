// e^x by Cody and Waite's reduction and a polynomial: the built-in may err by 3 + 2 |x| ulp.
// Oracle: core/numeric/exp.ts; error below 2 ulp, 0 where the result would be subnormal.

fn exp_f32(x: f32) -> f32 {
  let c = clamp(x, -104.0, 88.7);
  let k = round(c * 1.44269504);
  let r = (c - k * 0.693359375) + k * 2.12194440e-4;
  var p = 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  let y = 1.0 + (r + r * r * p);
  // 2^k in two factors: k reaches -150, which no exponent of a float holds.
  let first = i32(k) / 2;
  let second = i32(k) - first;
  return y * bitcast<f32>(u32(first + 127) << 23u) * bitcast<f32>(u32(second + 127) << 23u);
}
