import { expect, test } from "vitest";
import { createLayOut } from "../../../core/engine/batch.ts";
import { type Sequence, createSequence } from "../../../core/engine/sequence.ts";

function sequence(
  tokens: readonly number[],
  computed: number,
  blocks: readonly number[],
): Sequence {
  const made = createSequence(tokens, 100, tokens.length - 1, new Set());
  made.computed = computed;
  made.blocks.push(...blocks);
  return made;
}

test("createLayOut places rows by position through the blocks of their sequence", () => {
  const layOut = createLayOut({ maxRows: 8, maxLogitRows: 4, blocks: 10, blockSize: 4 });
  const answering = sequence([10, 11, 12, 13, 14, 15], 5, [7, 2]);
  const prompt = sequence([20, 21, 22, 23, 24, 25, 26, 27, 28], 2, [5, 0, 9]);
  const judged = sequence([30, 31, 32], 0, [4]);
  const batch = layOut([
    { sequence: answering, rows: 1, logitRows: 1 },
    { sequence: prompt, rows: 3, logitRows: 0 },
    { sequence: judged, rows: 3, logitRows: 2 },
  ]);
  expect([...batch.tokens]).toEqual([15, 22, 23, 24, 30, 31, 32]);
  expect([...batch.positions]).toEqual([5, 2, 3, 4, 0, 1, 2]);
  expect([...batch.slots]).toEqual([9, 22, 23, 0, 16, 17, 18]);
  expect([...batch.starts]).toEqual([0, 1, 4, 7]);
  expect([...batch.blocks]).toEqual([7, 2, 0, 5, 0, 9, 4, 0, 0]);
  expect([...batch.logitRows]).toEqual([0, 5, 6]);
  expect(batch.blockSize).toBe(4);

  // Nothing of a larger batch is left in the next one.
  const next = layOut([{ sequence: judged, rows: 1, logitRows: 1 }]);
  expect([...next.tokens, ...next.starts, ...next.blocks, ...next.logitRows]).toEqual([
    30, 0, 1, 4, 0,
  ]);
});
