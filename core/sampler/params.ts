/**
 * How to turn logits into tokens: plain data, so that it crosses threads and can be part of a cache
 * key. Names and neutral values follow llama.cpp. Ranges are checked at the edge by whoever parses them.
 */
export interface SamplingParams {
  /** 0 is greedy: the likeliest token, the lowest id on a tie. */
  readonly temperature: number;
  /** Keep the k likeliest tokens; 0 keeps all. */
  readonly topK: number;
  /** Keep the smallest set whose probabilities add up to p; 1 keeps all. */
  readonly topP: number;
  /** Keep tokens at least this fraction as likely as the likeliest; 0 keeps all. */
  readonly minP: number;
  /** Locally typical sampling (Meister et al. 2022); 1 keeps all. */
  readonly typicalP: number;
  /** Divide (or multiply, where negative) the logits of recent tokens; 1 is off. */
  readonly repeatPenalty: number;
  /** How many of the last tokens the penalties look at; 0 none, -1 all. */
  readonly repeatLastN: number;
  /** Subtracted once from the logit of each token that occurred. */
  readonly presencePenalty: number;
  /** Subtracted for each occurrence. */
  readonly frequencyPenalty: number;
  /** Added to the logits of tokens, before everything else. */
  readonly logitBias: readonly (readonly [token: number, bias: number])[];
  /** Seed of the request's own generator: an unsigned 32-bit integer. */
  readonly seed: number;
}

/** Greedy, nothing else. */
export const GREEDY: SamplingParams = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  typicalP: 1,
  repeatPenalty: 1,
  repeatLastN: 64,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: [],
  seed: 0,
};
