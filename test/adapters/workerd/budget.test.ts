import { expect, test } from "vitest";
import { BUDGET_BYTES, planMemory } from "../../../adapters/workerd/budget.ts";

const small = { vocabSize: 2048, streams: 4 };

test("the parts add up to the budget, and what JavaScript needs leaves less for weights", () => {
  const plans = [
    planMemory(small),
    planMemory({ ...small, vocabSize: 49_152 }),
    planMemory({ ...small, vocabSize: 49_152, streams: 8 }),
    planMemory({ ...small, vocabSize: 49_152, streams: 8, snapshotBytes: 1_000_000 }),
  ];
  for (const { js, wasm } of plans) expect(js + wasm).toBe(BUDGET_BYTES);
  const room = plans.map(({ wasm }) => wasm);
  expect(room).toEqual(room.toSorted((a, b) => b - a));
  expect(new Set(room).size).toBe(plans.length);
});

test("a vocabulary that leaves nothing is refused", () => {
  expect(() => planMemory({ ...small, vocabSize: 1_000_000 })).toThrow(
    expect.objectContaining({ code: "INSUFFICIENT_RESOURCES" }),
  );
});
