import type { LogitChanges } from "../tensor/logits.ts";
import type { SamplingParams } from "./params.ts";
import type { Scratch } from "./scratch.ts";

/** Builds what bias and penalties change after `tokens`; valid until its next call. */
export type Changer = (tokens: readonly number[], scratch: Scratch) => LogitChanges | undefined;

interface Buffer {
  count: number;
  ids: Int32Array;
  terms: Float64Array;
}

/** Room that usual windows of 64 tokens need, beside the biases; it grows with longer ones. */
const FIRST_ROOM = 64;

/**
 * The biases of `logitBias`, and then the penalties that make the last `repeatLastN` tokens less likely,
 * as llama.cpp does: the repeat penalty divides a positive logit and multiplies another once, presence
 * is subtracted once, frequency per occurrence.
 */
export function createChanger(params: SamplingParams, vocabSize: number): Changer {
  const biases = params.logitBias.filter(([token]) => token >= 0 && token < vocabSize);
  const penalise = hasPenalties(params);
  if (biases.length === 0 && !penalise) return () => undefined;

  const buffer: Buffer = { count: 0, ids: new Int32Array(0), terms: new Float64Array(0) };
  reserve(buffer, biases.length + FIRST_ROOM);
  for (const [token, bias] of biases) push(buffer, token, bias, 1, 0, 0);

  return (tokens, scratch) => {
    buffer.count = biases.length;
    if (penalise) pushPenalties(buffer, tokens, params, scratch);
    return buffer;
  };
}

function hasPenalties(params: SamplingParams): boolean {
  const { repeatLastN, repeatPenalty, presencePenalty, frequencyPenalty } = params;
  if (repeatLastN === 0) return false;
  return repeatPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
}

function pushPenalties(
  buffer: Buffer,
  tokens: readonly number[],
  params: SamplingParams,
  { counts }: Scratch,
): void {
  const { repeatLastN, repeatPenalty, presencePenalty, frequencyPenalty } = params;
  const from = repeatLastN < 0 ? 0 : Math.max(0, tokens.length - repeatLastN);
  reserve(buffer, buffer.count + tokens.length - from);
  for (let i = from; i < tokens.length; i++) counts[tokens[i]!] = counts[tokens[i]!]! + 1;
  for (let i = from; i < tokens.length; i++) {
    const token = tokens[i]!;
    const count = counts[token]!;
    if (count === 0) continue; // done at an earlier occurrence
    counts[token] = 0;
    push(buffer, token, 0, repeatPenalty, count * frequencyPenalty, presencePenalty);
  }
}

function push(
  buffer: Buffer,
  token: number,
  bias: number,
  repeat: number,
  frequency: number,
  presence: number,
): void {
  const { terms } = buffer;
  const at = 4 * buffer.count;
  buffer.ids[buffer.count++] = token;
  terms[at] = bias;
  terms[at + 1] = repeat;
  terms[at + 2] = frequency;
  terms[at + 3] = presence;
}

function reserve(buffer: Buffer, count: number): void {
  if (count <= buffer.ids.length) return;
  const ids = new Int32Array(2 * count);
  const terms = new Float64Array(8 * count);
  ids.set(buffer.ids);
  terms.set(buffer.terms);
  buffer.ids = ids;
  buffer.terms = terms;
}
