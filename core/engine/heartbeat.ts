import type { Ops } from "../tensor/backend.ts";

/**
 * Watches a backend's operations: `beat` is called after each that takes long. A CPU backend computes a step while
 * it is recorded, so this is all that tells a step of half a minute from one that hangs.
 */
export function createHeartbeat(beat: () => void): (ops: Ops) => Ops {
  // A backend hands out the same operations every step.
  let last: Ops | undefined;
  let wrapped: Ops | undefined;
  return (ops) => {
    if (wrapped === undefined || ops !== last) {
      last = ops;
      wrapped = withHeartbeat(ops, beat);
    }
    return wrapped;
  };
}

function withHeartbeat(ops: Ops, beat: () => void): Ops {
  return {
    embed: (out, table, tokens) => ops.embed(out, table, tokens),
    rmsNorm: (out, x, weight, eps) => ops.rmsNorm(out, x, weight, eps),
    matmul(x, products) {
      ops.matmul(x, products);
      beat();
    },
    rope: (x, rotation, style) => ops.rope(x, rotation, style),
    attention(out, q, k, v, kv, layout, options) {
      ops.attention(out, q, k, v, kv, layout, options);
      beat();
    },
    gatedMatmul(x, gate, up) {
      ops.gatedMatmul(x, gate, up);
      beat();
    },
    addTo: (x, y) => ops.addTo(x, y),
    gather: (out, x, rows) => ops.gather(out, x, rows),
  };
}
