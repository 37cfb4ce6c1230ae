/** Tokens back to text, one at a time. */
import type { TokenDecoder } from "./tokenizer.ts";
import { createUtf8Stream } from "./utf8.ts";

/** What a decoder asks a vocabulary. */
export interface DecoderSource {
  bytes(token: number): Uint8Array;
  isControl(token: number): boolean;
  /** Encoding puts a blank before a text, which decoding takes away again. */
  readonly leadingBlank: boolean;
}

const SPACE = 0x20;

/**
 * A decoder for what follows `prompt`. A text begins where there is no prompt and after a control token,
 * because that is where encoding added its blank: an answer after `[/INST]` loses it, a continuation of
 * plain text keeps it.
 */
export function createDecoder(source: DecoderSource, prompt: readonly number[]): TokenDecoder {
  const stream = createUtf8Stream();
  const before = prompt.at(-1);
  let begins = source.leadingBlank && (before === undefined || source.isControl(before));
  return {
    push(token) {
      if (source.isControl(token)) {
        begins = source.leadingBlank;
        return stream.end();
      }
      const bytes = source.bytes(token);
      const strip = begins && bytes[0] === SPACE;
      if (bytes.length > 0) begins = false;
      return stream.push(strip ? bytes.subarray(1) : bytes);
    },
    end: () => stream.end(),
  };
}
