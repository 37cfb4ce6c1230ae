// Rows of a tile of 64, and what becomes of its 8 by 4 sums an invocation. Where gate and up are multiplied, a tile
// has 32 rows of each, eight by eight in turn, so that an invocation has both.

/** First byte of row `local` of a tile; the last row stands for those past it. */
fn tile_row(product: u32, tile: u32, local: u32) -> u32 {
  var p = product;
  var m = tile * 64u + local;
  if (EPILOGUE == 2u) {
    p = (local >> 3u) & 1u;
    m = tile * 32u + (local & 7u) + 8u * (local >> 4u);
  }
  return 4u * params.products[p].weight + min(m, params.products[p].rows - 1u) * params.row_bytes;
}

/** Sums of rows wy + 8 i of the tile and rows `token` to `token` + 3 of x. */
fn finish_tile(tile: vec2<u32>, token: u32, wy: u32, sums: array<vec4<f32>, 8>) {
  var all = sums;
  for (var t = 0u; t < 4u && token + t < params.n; t++) {
    if (EPILOGUE == 2u) {
      for (var i = 0u; i < 4u; i++) {
        let m = tile.y * 32u + wy + 8u * i;
        if (m < params.products[0].rows) {
          finish_gated(token + t, m, all[2u * i][t], all[2u * i + 1u][t]);
        }
      }
    } else {
      for (var i = 0u; i < 8u; i++) {
        let m = tile.y * 64u + wy + 8u * i;
        if (m < params.products[tile.x].rows) {
          finish(tile.x, token + t, m, all[i][t]);
        }
      }
    }
  }
}
