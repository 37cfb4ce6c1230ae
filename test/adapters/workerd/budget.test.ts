import { expect, test } from "vitest";
import { BUDGET_BYTES, planMemory } from "../../../adapters/workerd/budget.ts";

test("the parts add up to the budget, and a larger vocabulary leaves less for weights", () => {
  const [small, large] = [planMemory(2048), planMemory(49_152)];
  for (const { js, wasm } of [small, large]) expect(js + wasm).toBe(BUDGET_BYTES);
  expect(large.wasm).toBeLessThan(small.wasm);
});

test("a vocabulary that leaves nothing is refused", () => {
  expect(() => planMemory(1_000_000)).toThrow(
    expect.objectContaining({ code: "INSUFFICIENT_RESOURCES" }),
  );
});
