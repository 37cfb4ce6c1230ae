// IQ4_XS: 136 bytes for 256 values, d, eight scales of 6 bits in 6 bytes, nibbles;
// value = d * (scale - 32) * table[q]. Joined with mat-table.wgsl.
const HAS_MINIMUM = false;
const TABLE = array<u32, 4>(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);

fn quants_of(row: u32, g: u32) -> Quants {
  let i = (row >> 2u) + (g >> 3u) * 34u;
  let group = g & 7u;
  let head = weights[i];
  let low = (weights[i + 1u] >> (4u * group)) & 15u;
  let high = (head >> (16u + 2u * group)) & 3u;
  let scale = i32(low | (high << 4u)) - 32;
  let start = i + 2u + 4u * group;
  return looked_up(
    weights[start],
    weights[start + 1u],
    weights[start + 2u],
    weights[start + 3u],
    low_half(head) * f32(scale),
  );
}
