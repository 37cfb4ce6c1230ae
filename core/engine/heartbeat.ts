import type { Ops } from "../tensor/backend.ts";

/** Between two heartbeats: a few before anybody's patience with an engine ends, and too few to be felt. */
const HEARTBEAT_MS = 1000;

/**
 * Watches a backend's operations: `beat` is called now and then when one that takes long is done. A CPU backend
 * computes a step while it is recorded, so this is all that tells a step of half a minute from one that hangs.
 *
 * @param now Monotonic clock in milliseconds.
 */
export function createHeartbeat(now: () => number, beat: (at: number) => void): (ops: Ops) => Ops {
  // A backend hands out the same operations every step.
  let last: Ops | undefined;
  let wrapped: Ops | undefined;
  let beaten = 0;
  const done = (): void => {
    const at = now();
    if (at - beaten < HEARTBEAT_MS) return;
    beaten = at;
    beat(at);
  };
  return (ops) => {
    if (wrapped === undefined || ops !== last) {
      last = ops;
      wrapped = withHeartbeat(ops, done);
    }
    return wrapped;
  };
}

function withHeartbeat(ops: Ops, beat: () => void): Ops {
  return {
    embed: (out, table, tokens) => ops.embed(out, table, tokens),
    rmsNorm: (out, x, weight, eps) => ops.rmsNorm(out, x, weight, eps),
    layerNorm: (out, x, weight, bias, eps) => ops.layerNorm(out, x, weight, bias, eps),
    matmul(x, products) {
      ops.matmul(x, products);
      beat();
    },
    rope: (x, rotation, style) => ops.rope(x, rotation, style),
    attention(...operands) {
      ops.attention(...operands);
      beat();
    },
    gatedMatmul(x, gate, up, activation) {
      ops.gatedMatmul(x, gate, up, activation);
      beat();
    },
    gate: (gate, up, activation) => ops.gate(gate, up, activation),
    addLowRank(out, x, factors, scales) {
      ops.addLowRank(out, x, factors, scales);
      beat();
    },
    experts(out, x, router, experts) {
      ops.experts(out, x, router, experts);
      beat();
    },
    gelu: (x) => ops.gelu(x),
    scale: (x, factor) => ops.scale(x, factor),
    addTo: (x, y) => ops.addTo(x, y),
    gather: (out, x, rows) => ops.gather(out, x, rows),
  };
}
