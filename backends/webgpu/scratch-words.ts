import { expertsScratchWords } from "./experts.ts";
import { lowRankScratchWords } from "./low-rank.ts";
import type { Op } from "./recorder.ts";
import type { MatmulKernels } from "./spec.ts";

/** Words of scratch memory for the largest step that the tensors of these operations allow. */
export function scratchWords(ops: readonly Op[], matmul: MatmulKernels): number {
  let words = 0;
  for (const op of ops) {
    if (op.kind === "addLowRank") words = Math.max(words, lowRankScratchWords(op));
    if (op.kind === "experts") words = Math.max(words, expertsScratchWords(op));
    if (op.kind !== "matmul" && op.kind !== "gated") continue;
    const products = op.kind === "matmul" ? op.products : [op.gate, op.up];
    const { rows } = op.x.place;
    for (const { weight } of products) {
      words = Math.max(words, matmul.scratchWords(weight.dtype, rows, op.x.width));
    }
  }
  return words;
}
