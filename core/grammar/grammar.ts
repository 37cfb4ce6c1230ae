/** A compiled grammar: rules as graphs over bytes that call one another. Plain data, so that it crosses threads. */

/** What a label below 0 in {@linkcode Grammar.low} says. */
export const NOTHING = -1;
export const CALL = -2;

/** Labels from here on are control tokens: those that the grammar names, in order, then all others. */
export const FIRST_CONTROL = 256;

/** See {@linkcode Grammar.ending}. */
export const NO_ENDING = 0xffff;

/** A set of texts. */
export interface Grammar {
  /** Grammars with the same key have the same texts. */
  readonly key: string;
  /** [states + 1] the first edge that leaves each state; its last is before the next state's first. */
  readonly starts: Int32Array;
  /** [edges] the first byte or control label, {@linkcode NOTHING} or {@linkcode CALL}. */
  readonly low: Int32Array;
  /** [edges] the last byte or control label; of a call the state in which the called rule begins. */
  readonly high: Int32Array;
  /** [edges] where it leads; of a call -1 where nothing is left to do after it. */
  readonly to: Int32Array;
  /** [states] 1 where a rule may end. */
  readonly final: Uint8Array;
  /** [states] how deep calls must nest at least to come to an end from here; -1 where they never do. */
  readonly height: Int32Array;
  /**
   * [states] the fewest bytes and control tokens to an end of the state's rule, {@linkcode NO_ENDING} where that takes
   * more than can be written here.
   */
  readonly ending: Uint16Array;
  /** [states] how deep calls nest in such an ending, at most 255. */
  readonly endingDepth: Uint8Array;
  /** The state in which a text begins. */
  readonly start: number;
  /** Control tokens that the grammar names. */
  readonly controls: readonly number[];
}
