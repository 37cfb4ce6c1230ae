import type { KvShape } from "../../core/tensor/backend.ts";

/** Queries that one workgroup takes at most, and its vectors of four (kernels-wgsl/attention.wgsl). */
const MOST_GROUP = 8;
const MOST_FOURS = 384;

/** How the query heads that share a head of keys are cut into workgroups. */
export interface AttentionGroup {
  /** Query heads of a workgroup. */
  readonly group: number;
  /** Workgroups, each of which reads the keys and values. */
  readonly chunks: number;
  /** Rows of a sequence that a workgroup has room for. */
  readonly rows: number;
}

/** As many query heads together as possible, in even parts. */
export function attentionGroup(heads: number, { kvHeads, headDim }: KvShape): AttentionGroup {
  const sharedBy = heads / kvHeads;
  const most = Math.min(MOST_GROUP, 4 * Math.floor(MOST_FOURS / headDim));
  const group = Math.ceil(sharedBy / Math.ceil(sharedBy / most));
  return { group, chunks: Math.ceil(sharedBy / group), rows: Math.floor(most / group) };
}
