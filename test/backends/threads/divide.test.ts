import { expect, test } from "vitest";
import { CHUNK_MASK, MAX_PARTS } from "../../../backends/wasm/threads/control.ts";
import { createDivision, divide } from "../../../backends/wasm/threads/divide.ts";
import { createRandom } from "../../fixtures/random.ts";

/** Nanoseconds from which work is worth sharing. */
const LEAST = 1500;

type Part = readonly [units: number, unitCost: number];

/** The work of each chunk, in the order in which parts and chunks lie. */
function chunksOf(parts: readonly Part[], threads: number, least = LEAST): number[] {
  const region = createDivision();
  for (const [units, cost] of parts) {
    region.units[region.parts] = units;
    region.costs[region.parts++] = cost;
  }
  divide(region, threads, least);
  return parts.flatMap(([units, cost], i) => {
    const grain = region.grains[i]!;
    expect(grain).toBeGreaterThanOrEqual(1);
    return Array.from(
      { length: Math.ceil(units / grain) },
      (_, chunk) => Math.min(grain, units - chunk * grain) * cost,
    );
  });
}

/** How long threads take that are never held up: chunks go from the last to the first to whoever is free. */
function makespan(chunks: readonly number[], threads: number): number {
  const busy = Array.from({ length: threads }, () => 0);
  for (const chunk of chunks.toReversed()) busy[busy.indexOf(Math.min(...busy))]! += chunk;
  return Math.max(...busy);
}

/** Products of a layer of 8 rows: queries, keys and values; gate and up; down. */
const LAYERS: Readonly<Record<string, readonly (readonly Part[])[]>> = {
  "SmolLM2-135M": [
    [
      [72, 553],
      [24, 553],
      [24, 553],
    ],
    [[192, 1202]],
    [[72, 1475]],
  ],
  "Mistral 7B": [
    [
      [512, 3932],
      [128, 3932],
      [128, 3932],
    ],
    [[1792, 7960]],
    [[512, 13763]],
  ],
};

test.each(
  Object.keys(LAYERS).flatMap((name) => [2, 3, 4, 8].map((threads) => ({ threads, name }))),
)("$threads threads end a layer of $name within 12 % of one another", ({ threads, name }) => {
  for (const parts of LAYERS[name]!) {
    const cost = parts.reduce((sum, [units, unitCost]) => sum + units * unitCost, 0);
    expect(makespan(chunksOf(parts, threads), threads)).toBeLessThan((1.12 * cost) / threads);
  }
});

test("all units are covered by no more chunks than the ticket counts, whatever the region", () => {
  const random = createRandom(3);
  for (let round = 0; round < 2000; round++) {
    const parts = Array.from(
      { length: random.int(1, round % 10 === 0 ? MAX_PARTS : 4) },
      (): Part => [random.int(0, 10 ** random.int(0, 6)), 10 ** (6 * random.next())],
    );
    const chunks = chunksOf(parts, random.int(1, 64), random.int(0, 1) * LEAST);
    expect(chunks.length).toBeLessThanOrEqual(CHUNK_MASK);
    const cost = parts.reduce((sum, [units, unitCost]) => sum + units * unitCost, 0);
    expect(chunks.reduce((sum, chunk) => sum + chunk, 0)).toBeCloseTo(cost, -6);
  }
});

test("what is hardly worth sharing falls into few chunks", () => {
  expect(chunksOf([[100, 20]], 2)).toHaveLength(1);
  expect(chunksOf([[100, 40]], 8)).toHaveLength(2);
});
