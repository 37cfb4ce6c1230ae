import type { RuntimeError } from "../errors.ts";

/**
 * Why a node gave no answer, or no whole one. `lost`: it was not there, left, or went silent. `error`: it
 * answered with 500 and above. `busy`: it has no room, or is about to leave. `other`: it has another
 * model, or not what this request asks for.
 */
export type FailureKind = "lost" | "error" | "busy" | "other";

/** A failure of a node and not of the request: another node may do better. */
export class NodeFailure extends Error {
  override readonly name = "NodeFailure";
  /** See {@linkcode FailureKind}. */
  readonly kind: FailureKind;
  /** The node's name. */
  readonly node: string;
  /** What a client is told where no node does better. */
  readonly told: RuntimeError;

  /** A failure of this node. */
  constructor(kind: FailureKind, node: string, told: RuntimeError) {
    super(told.message, { cause: told.cause });
    this.kind = kind;
    this.node = node;
    this.told = told;
  }
}
