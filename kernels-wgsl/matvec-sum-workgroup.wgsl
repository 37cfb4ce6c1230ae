// Sums over a team of LANES neighbours, through the workgroup's memory. All invocations of a workgroup call it.

var<workgroup> partial: array<array<f32, ROWS>, WORKGROUP>;

fn sums_of_team(sums: array<f32, ROWS>, local: u32) -> array<f32, ROWS> {
  partial[local] = sums;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (local % LANES < half) {
      for (var i = 0u; i < ROWS; i++) {
        partial[local][i] += partial[local + half][i];
      }
    }
    workgroupBarrier();
  }
  return partial[local - local % LANES];
}
