import { describe, expect, test } from "vitest";
import { createGovernor } from "../../../backends/wasm/threads/governor.ts";
import { createRandom } from "../../fixtures/random.ts";

/** A machine: milliseconds that a step takes with so many members, at that time. */
type Machine = (members: number, now: number) => number;

/** Let a governor run steps until `end`; how long each number of members was used, from `since` on. */
function drive(most: number, machine: Machine, end: number, since = 0): Map<number, number> {
  const governor = createGovernor(most);
  const used = new Map<number, number>();
  let now = 0;
  while (now < end) {
    const members = governor.members(1e6, now);
    const ms = machine(members, now);
    now += ms;
    governor.took(1e6, members, ms, now);
    if (now >= since) used.set(members, (used.get(members) ?? 0) + ms);
  }
  return used;
}

const share = (used: Map<number, number>, members: number): number => {
  const all = [...used.values()].reduce((sum, ms) => sum + ms, 0);
  return (used.get(members) ?? 0) / all;
};

/** Twice the threads, half the time. */
const quiet: Machine = (members) => 4 / (1 + members);

describe("createGovernor", () => {
  test("keeps all threads at work on a quiet machine", () => {
    expect(share(drive(1, quiet, 30_000), 1)).toBeGreaterThan(0.99);
    expect(share(drive(3, quiet, 30_000), 3)).toBeGreaterThan(0.99);
  });

  test("works alone while a member makes steps slower, though a few are as fast as ever", () => {
    const random = createRandom(1);
    const busy: Machine = (members) => (members === 0 ? 4 : random.next() < 0.25 ? 2 : 14);
    expect(share(drive(1, busy, 30_000, 1000), 0)).toBeGreaterThan(0.9);
  });

  test("takes the members back within seconds after the machine is quiet again", () => {
    const random = createRandom(2);
    const machine: Machine = (members, now) => {
      if (members === 0) return 4;
      return now < 10_000 && random.next() > 0.25 ? 14 : 2;
    };
    expect(share(drive(1, machine, 30_000, 15_000), 1)).toBeGreaterThan(0.95);
  });

  test("finds the number between one and all that pays", () => {
    const random = createRandom(3);
    const machine: Machine = (members) => {
      const steady = 8 / (1 + Math.min(members, 3));
      return members <= 3 || random.next() < 0.25 ? steady : 6 * steady;
    };
    expect(share(drive(7, machine, 30_000, 5000), 3)).toBeGreaterThan(0.8);
  });

  test("judges steps of another size by themselves", () => {
    const governor = createGovernor(1);
    let now = 0;
    for (let i = 0; i < 200; i++) {
      now += i % 4 === 0 ? 2 : 20;
      governor.took(1e6, governor.members(1e6, now), i % 4 === 0 ? 2 : 20, now);
    }
    expect(governor.members(1e9, now)).toBe(1);
  });
});
