/** Text to tokens and back, as the model's own vocabulary has it. */
export interface Tokenizer {
  /** Tokens are numbers below this. */
  readonly vocabSize: number;
  /** Beginning of a sequence, where the vocabulary has one. */
  readonly bos: number | undefined;
  /** End of a sequence, where the vocabulary has one. */
  readonly eos: number | undefined;
  /** Whether the model expects `bos` before a prompt. */
  readonly addBos: boolean;
  /** What the model expects behind a text that it is to embed; absent where nothing. */
  readonly closing?: number;
  /** Tokens that end an answer: eos, end of turn, end of message. */
  readonly stops: ReadonlySet<number>;
  /**
   * Tokens of `text`, without `bos`. With `special: true` the spelling of a control token becomes that
   * token: never for text from a user, who could forge turns with it. Linear in the text's length.
   */
  encode(text: string, options?: EncodeOptions): number[];
  /** The bytes a token stands for; empty for control tokens. */
  bytes(token: number): Uint8Array;
  /** The spelling of a control token, e.g. `<s>`; `undefined` for any other token. */
  controlText(token: number): string | undefined;
  /** A decoder for one stream; `prompt` is what came before, where blanks depend on it. */
  decoder(prompt?: readonly number[]): TokenDecoder;
}

/** How to encode. */
export interface EncodeOptions {
  /** Let the spelling of a control token become that token. */
  readonly special?: boolean;
}

/** Streams text out, holding back bytes that do not yet form a character. */
export interface TokenDecoder {
  /** The characters that this token completes. */
  push(token: number): string;
  /** What is left; bytes that never became a character turn into U+FFFD. */
  end(): string;
}
