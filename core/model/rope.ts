import { log, pow } from "../numeric/log.ts";
import { cos, sin } from "../numeric/trig.ts";
import type { RopeConfig, RopeScaling } from "./model.ts";

/** Rotary position embedding: how far each pair of a head turns at a position. */
export interface Rope {
  /** [dims / 2] radians per position. */
  readonly frequencies: Float64Array;
  /** What cosines and sines are multiplied by: 1, but for YaRN. */
  readonly magnitude: number;
  /**
   * Fill `out`[n, dims / 2, 2] with (cos, sin) of each pair at each position. The same bits on every
   * machine: only IEEE 754 operations are used.
   */
  rotations(positions: Uint32Array, out: Float32Array): void;
}

/**
 * Rotation for a configuration: pair i turns theta^(-2i / dims) per position (Su et al. 2021,
 * RoFormer), changed by the scaling.
 */
export function createRope({ dims, theta, scaling }: RopeConfig): Rope {
  const pairs = dims / 2;
  const frequencies = new Float64Array(pairs);
  for (let i = 0; i < pairs; i++) frequencies[i] = pow(theta, -i / pairs);
  const magnitude = scale(frequencies, dims, theta, scaling);

  return {
    frequencies,
    magnitude,
    rotations(positions, out) {
      let at = 0;
      for (const position of positions) {
        for (let i = 0; i < pairs; i++) {
          const angle = position * frequencies[i]!;
          out[at++] = cos(angle) * magnitude;
          out[at++] = sin(angle) * magnitude;
        }
      }
    },
  };
}

/** Change the frequencies in place; returns the magnitude. */
function scale(
  frequencies: Float64Array,
  dims: number,
  theta: number,
  scaling: RopeScaling,
): number {
  if (scaling.type === "yarn") return scaleYarn(frequencies, dims, theta, scaling);
  for (let i = 0; i < frequencies.length; i++) frequencies[i]! /= divisorOf(scaling, i);
  return 1;
}

/** What the frequency of pair i is divided by. */
function divisorOf(scaling: Exclude<RopeScaling, { type: "yarn" }>, i: number): number {
  // Chen et al. 2023: positions, and with them all angles, are divided by the factor.
  if (scaling.type === "linear") return scaling.factor;
  return scaling.type === "llama3" ? scaling.divisors[i]! : 1;
}

/**
 * YaRN (Peng et al. 2023, section 3): pairs that turn often within the original context keep their
 * frequency, pairs that turn less than once are slowed by the factor, and a ramp joins the two. The
 * bounds of the ramp are whole pairs, as in GGML.
 */
function scaleYarn(
  frequencies: Float64Array,
  dims: number,
  theta: number,
  scaling: Extract<RopeScaling, { type: "yarn" }>,
): number {
  const { factor, originalContext, extFactor, attnFactor, betaFast, betaSlow } = scaling;
  const { logMultiplier = 0 } = scaling;
  // The pair, as a real number, that turns `turns` times within the original context.
  const pairOf = (turns: number): number =>
    (dims * log(originalContext / (turns * 2 * Math.PI))) / (2 * log(theta));
  const low = Math.max(0, Math.floor(pairOf(betaFast)));
  const high = Math.min(dims - 1, Math.ceil(pairOf(betaSlow)));

  for (let i = 0; i < frequencies.length; i++) {
    // A ramp of no width would divide by zero; GGML takes a thousandth.
    const ramp = (i - low) / Math.max(0.001, high - low);
    const kept = (1 - Math.min(1, Math.max(0, ramp))) * extFactor;
    frequencies[i]! *= kept + (1 - kept) / factor;
  }
  // Section 3.4: attention over more positions is sharpened. Queries and keys both carry the factor.
  if (extFactor === 0) return attnFactor;
  const sharper = 1 + 0.1 * log(factor);
  return logMultiplier === 0
    ? attnFactor * sharper
    : (attnFactor * sharper) / (1 + 0.1 * logMultiplier * log(factor));
}
