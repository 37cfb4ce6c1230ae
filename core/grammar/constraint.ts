/** What ties an answer to a grammar: plain data, as all of a request to an engine is. */
import type { Grammar } from "./grammar.ts";
import type { TokenBytes } from "./token-bytes.ts";

/** The text of an answer has to be one of a grammar's. */
export interface Constraint {
  /** Which texts. */
  readonly grammar: Grammar;
  /** The vocabulary that the engine's tokens are of. Made once and sent once, however many requests name it. */
  readonly vocabulary: TokenBytes;
  /** Decoding takes a blank away from the beginning of the answer, so that one more may be there. */
  readonly blank: boolean;
}
