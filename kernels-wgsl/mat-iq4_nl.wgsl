// IQ4_NL: 18 bytes, d and 32 nibbles; value = d * table[q]. Joined with mat-table.wgsl.
const HAS_MINIMUM = false;
const TABLE = array<u32, 4>(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);

fn quants_of(row: u32, g: u32) -> Quants {
  let at = row + g * 18u;
  let i = at >> 2u;
  let even = (at & 2u) == 0u;
  let a = array<u32, 5>(weights[i], weights[i + 1u], weights[i + 2u], weights[i + 3u], weights[i + 4u]);
  let d = low_half(select(a[0] >> 16u, a[0], even));
  return looked_up(
    select(a[1], (a[0] >> 16u) | (a[1] << 16u), even),
    select(a[2], (a[1] >> 16u) | (a[2] << 16u), even),
    select(a[3], (a[2] >> 16u) | (a[3] << 16u), even),
    select(a[4], (a[3] >> 16u) | (a[4] << 16u), even),
    d,
  );
}
