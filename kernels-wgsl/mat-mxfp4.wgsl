// MXFP4: 17 bytes, a power of two and 32 nibbles; value = 2^(e - 128) * table[q]. Joined with mat-table.wgsl.
// Blocks begin at any byte.
const HAS_MINIMUM = false;
const TABLE = array<u32, 4>(0x03020100u, 0x0c080604u, 0xfdfeff00u, 0xf4f8fafcu);

fn quants_of(row: u32, g: u32) -> Quants {
  let at = row + g * 17u;
  let e = (weights[at >> 2u] >> (8u * (at & 3u))) & 255u;
  // Of the two least powers, which are subnormal, the bit itself.
  let d = bitcast<f32>(select((e - 1u) << 23u, 0x00200000u << e, e < 2u));
  let first = at + 1u;
  let i = first >> 2u;
  let shift = 8u * (first & 3u);
  // A shift by 32 would be one by none: with nothing to shift, the next word is not wanted.
  let rest = (32u - shift) & 31u;
  let keep = select(0xffffffffu, 0u, shift == 0u);
  let a = array<u32, 5>(weights[i], weights[i + 1u], weights[i + 2u], weights[i + 3u], weights[i + 4u]);
  return looked_up(
    (a[0] >> shift) | ((a[1] << rest) & keep),
    (a[1] >> shift) | ((a[2] << rest) & keep),
    (a[2] >> shift) | ((a[3] << rest) & keep),
    (a[3] >> shift) | ((a[4] << rest) & keep),
    d,
  );
}
