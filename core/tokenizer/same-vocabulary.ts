import type { Tokenizer } from "./tokenizer.ts";

/**
 * What differs between two vocabularies, for people to read; nothing where every number is the same token in both, so
 * that tokens of one model can be continued by the other.
 */
export function vocabularyDifference(a: Tokenizer, b: Tokenizer): string | undefined {
  if (a.vocabSize !== b.vocabSize) return `${a.vocabSize} tokens and ${b.vocabSize}`;
  for (let token = 0; token < a.vocabSize; token++) {
    const [one, other] = [spelling(a, token), spelling(b, token)];
    if (one !== other) return `token ${token} is ${one} and ${other}`;
  }
  return undefined;
}

function spelling(tokenizer: Tokenizer, token: number): string {
  const control = tokenizer.controlText(token);
  if (control !== undefined) return `the control token ${JSON.stringify(control)}`;
  // Bytes that are no text would all look alike as text.
  return JSON.stringify(String.fromCharCode(...tokenizer.bytes(token)));
}
