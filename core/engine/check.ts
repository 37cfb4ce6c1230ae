import { RuntimeError } from "../errors.ts";
import type { ModelConfig } from "../model/model.ts";
import { MAX_CANDIDATES } from "../tensor/logits.ts";
import type { EmbedRequest, GenerateRequest, ScoreRequest } from "./engine.ts";
import { MAX_PRIORITY } from "./queue.ts";

/** Throws `INVALID_REQUEST` where a model embeds and nothing else. */
export function checkGenerates({ name, embedsOnly }: ModelConfig): void {
  if (embedsOnly === true) throw invalid(`Cannot generate with "${name}": it embeds texts only`);
}

/**
 * Check a request to generate; returns how many tokens it may come to hold. Throws `INVALID_REQUEST`,
 * and `CONTEXT_LENGTH_EXCEEDED` where the prompt leaves no room for a token.
 */
export function checkGenerate(
  request: GenerateRequest,
  vocabSize: number,
  contextLength: number,
): number {
  const {
    tokens,
    emitted = [],
    maxTokens,
    logprobs = 0,
    priority = 0,
    deadlineMs = Infinity,
    constraint,
  } = request;
  checkTokens(tokens, vocabSize);
  checkTokens(emitted, vocabSize);
  if (tokens.length === 0)
    throw invalid("Cannot generate from no tokens: a prompt has at least one");
  if (!Number.isSafeInteger(maxTokens) || maxTokens < 1) {
    throw invalid(`Cannot generate ${maxTokens} tokens: expected a whole number from 1 on`);
  }
  const most = Math.min(vocabSize, MAX_CANDIDATES);
  if (!Number.isInteger(logprobs) || logprobs < 0 || logprobs > most) {
    throw invalid(`Cannot report ${logprobs} alternatives: expected 0 to ${most}`);
  }
  if (constraint !== undefined && constraint.vocabulary.size !== vocabSize) {
    throw invalid(
      `Cannot constrain an answer with a vocabulary of ${constraint.vocabulary.size} tokens: the model has ${vocabSize}`,
    );
  }
  if (!Number.isInteger(priority) || Math.abs(priority) > MAX_PRIORITY) {
    throw invalid(
      `Cannot take priority ${priority}: expected a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}`,
    );
  }
  if (!(deadlineMs > 0)) throw invalid(`Cannot answer within ${deadlineMs} ms: expected more`);
  if (tokens.length >= contextLength) {
    throw tooLong(`Cannot continue ${tokens.length} tokens`, contextLength);
  }
  const limit = Math.min(tokens.length + maxTokens, contextLength);
  if (tokens.length + emitted.length > limit) {
    throw invalid(
      `Cannot go on behind ${emitted.length} tokens: the answer may have ${limit - tokens.length}`,
    );
  }
  return limit;
}

/** Check a request to score. Throws as {@linkcode checkGenerate}. */
export function checkScore(request: ScoreRequest, vocabSize: number, contextLength: number): void {
  const { tokens, from } = request;
  checkTokens(tokens, vocabSize);
  if (!Number.isInteger(from) || from < 1 || from > tokens.length) {
    throw invalid(`Cannot score from token ${from}: expected 1 to ${tokens.length}`);
  }
  if (tokens.length > contextLength)
    throw tooLong(`Cannot score ${tokens.length} tokens`, contextLength);
}

/** Check a request to embed. Throws as {@linkcode checkGenerate}. */
export function checkEmbed(request: EmbedRequest, vocabSize: number, contextLength: number): void {
  const { tokens } = request;
  checkTokens(tokens, vocabSize);
  if (tokens.length === 0) throw invalid("Cannot embed no tokens: a text has at least one");
  if (tokens.length > contextLength)
    throw tooLong(`Cannot embed ${tokens.length} tokens`, contextLength);
}

/** Check an engine's limits, both at least 1; returns `maxSequences`. Throws `RangeError`. */
export function checkLimits(maxSequences: number, chunk: number): number {
  if (!(maxSequences >= 1))
    throw new RangeError(`Cannot run ${maxSequences} sequences: at least 1`);
  if (!(chunk >= 1)) throw new RangeError(`Cannot chunk prompts by ${chunk} rows: at least 1`);
  return maxSequences;
}

function checkTokens(tokens: readonly number[], vocabSize: number): void {
  for (const token of tokens) {
    if (!(Number.isInteger(token) && token >= 0 && token < vocabSize)) {
      throw invalid(`Cannot compute token ${token}: the vocabulary has 0 to ${vocabSize - 1}`);
    }
  }
}

function invalid(message: string): RuntimeError {
  return new RuntimeError("INVALID_REQUEST", message);
}

function tooLong(what: string, contextLength: number): RuntimeError {
  return new RuntimeError(
    "CONTEXT_LENGTH_EXCEEDED",
    `${what}: the context holds ${contextLength}, prompt and answer together`,
  );
}
