// Sums over a team of LANES neighbours, a power of two and fewer than a subgroup has. Joined after `enable subgroups;`.

fn sums_of_team(sums: array<f32, ROWS>, local: u32) -> array<f32, ROWS> {
  var all = sums;
  for (var mask = LANES / 2u; mask > 0u; mask /= 2u) {
    for (var i = 0u; i < ROWS; i++) {
      all[i] += subgroupShuffleXor(all[i], mask);
    }
  }
  return all;
}
