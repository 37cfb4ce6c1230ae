import { expect, test } from "vitest";
import { createHeartbeat } from "../../../core/engine/heartbeat.ts";
import type { Ops } from "../../../core/tensor/backend.ts";

/** Operations that note their names and how many operands they were given. */
function noting(notes: string[]): Ops {
  return new Proxy({} as Ops, {
    get:
      (_, name) =>
      (...operands: readonly unknown[]): void => {
        notes.push(`${String(name)} ${operands.length}`);
      },
  });
}

const OPERATIONS: Readonly<Record<keyof Ops, number>> = {
  embed: 3,
  rmsNorm: 4,
  layerNorm: 5,
  matmul: 2,
  rope: 3,
  attention: 7,
  gatedMatmul: 4,
  gate: 3,
  addLowRank: 4,
  experts: 4,
  gelu: 1,
  scale: 2,
  addTo: 2,
  gather: 3,
};

test("a watched operation is the same operation", () => {
  const notes: string[] = [];
  const ops = createHeartbeat(
    () => 0,
    () => {},
  )(noting(notes));
  for (const [name, operands] of Object.entries(OPERATIONS)) {
    const call = ops[name as keyof Ops] as (...operands: readonly unknown[]) => void;
    call(...Array.from({ length: operands }, (_, i) => i));
  }
  expect(notes).toEqual(Object.entries(OPERATIONS).map(([name, n]) => `${name} ${n}`));
});

test("a long step beats once a second, however many operations it has", () => {
  let time = 5000;
  const beats: number[] = [];
  const watched = createHeartbeat(
    () => time,
    (at) => beats.push(at),
  );
  const plain = noting([]);
  const ops = watched(plain);
  expect(watched(plain)).toBe(ops);
  for (let i = 0; i < 30; i++) {
    time += 100;
    (ops.matmul as (...operands: readonly unknown[]) => void)();
  }
  expect(beats).toEqual([5100, 6100, 7100]);
});
