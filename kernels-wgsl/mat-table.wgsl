// Quants of four bits that are places in a table of sixteen signed bytes; joined before mat-iq4_*.wgsl and
// mat-mxfp4.wgsl, which have the TABLE.

fn value_at(place: u32) -> u32 {
  return (TABLE[place >> 2u] >> (8u * (place & 3u))) & 255u;
}

/** What the places in the low halves of four bytes stand for, a byte each. */
fn values_at(places: u32) -> u32 {
  return value_at(places & 15u)
    | (value_at((places >> 8u) & 15u) << 8u)
    | (value_at((places >> 16u) & 15u) << 16u)
    | (value_at((places >> 24u) & 15u) << 24u);
}

/** 32 values: the first half of the columns is in the low nibbles. */
fn looked_up(q0: u32, q1: u32, q2: u32, q3: u32, d: f32) -> Quants {
  return Quants(
    array<u32, 8>(
      values_at(q0), values_at(q1), values_at(q2), values_at(q3),
      values_at(q0 >> 4u), values_at(q1 >> 4u), values_at(q2 >> 4u), values_at(q3 >> 4u),
    ),
    vec2(d),
    vec2(0.0),
  );
}
