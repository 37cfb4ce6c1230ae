// Sums over a team that is a subgroup. Joined after `enable subgroups;`.

fn sums_of_team(sums: array<f32, ROWS>, local: u32) -> array<f32, ROWS> {
  var all = sums;
  for (var i = 0u; i < ROWS; i++) {
    all[i] = subgroupAdd(all[i]);
  }
  return all;
}
