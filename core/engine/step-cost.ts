/** What steps of the answering kind cost, learnt from those that were taken. */
export interface StepCost {
  /** A step of `rows` rows took so long. */
  learn(rows: number, milliseconds: number): void;
  /** What a step of `rows` rows will take. */
  milliseconds(rows: number): number;
}

/** Steps fade with this factor: about the last fifty count. */
const MEMORY = 0.98;

/** A step in which the system took the processor away says nothing about rows. */
const WORST = 4;

/** Until steps of different sizes are known: what one more row adds to a step of one. */
const GUESSED_SLOPE = 0.5;

/** Below this variance of rows nothing can be told about their slope. */
const LEAST_VARIANCE = 0.05;

/** A line through recent steps by least squares: a part for all rows together and one for each. */
export function createStepCost(): StepCost {
  let weight = 0;
  let x = 0;
  let y = 0;
  let xx = 0;
  let xy = 0;

  function line(): { readonly base: number; readonly slope: number } {
    if (weight === 0) return { base: 1 - GUESSED_SLOPE, slope: GUESSED_SLOPE };
    const meanX = x / weight;
    const meanY = y / weight;
    const variance = xx / weight - meanX * meanX;
    const one = meanY / (1 - GUESSED_SLOPE + GUESSED_SLOPE * meanX);
    const fitted = (xy / weight - meanX * meanY) / variance;
    const slope =
      variance < LEAST_VARIANCE
        ? GUESSED_SLOPE * one
        : Math.min(Math.max(fitted, 0), meanY / meanX);
    return { base: meanY - slope * meanX, slope };
  }

  return {
    learn(rows, milliseconds) {
      const most = weight < 1 ? Infinity : (WORST * y) / weight;
      const took = Math.min(milliseconds, most);
      weight = weight * MEMORY + 1;
      x = x * MEMORY + rows;
      y = y * MEMORY + took;
      xx = xx * MEMORY + rows * rows;
      xy = xy * MEMORY + rows * took;
    },
    milliseconds(rows) {
      const { base, slope } = line();
      return base + slope * rows;
    },
  };
}
