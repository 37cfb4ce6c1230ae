import type { TokenEvent } from "../engine/engine.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** A token with its log-probability, as text and bytes. */
export interface TokenChance {
  /** Its number in the vocabulary. */
  readonly token: number;
  /** Its text; `bytes:\xe2\x80` where its bytes are only part of a character. */
  readonly text: string;
  /** The bytes it stands for. */
  readonly bytes: readonly number[];
  /** Natural logarithm, never below {@linkcode LEAST_LOGPROB}. */
  readonly logprob: number;
}

/** A token of an answer. */
export interface AnswerToken extends TokenChance {
  /** Code points of the answer before it. */
  readonly offset: number;
  /** The likeliest tokens in its place, best first. */
  readonly top: readonly TokenChance[];
}

/** Stands for minus infinity, which JSON cannot write; OpenAI's answers use the same number. */
const LEAST_LOGPROB = -9999;

/** Tokens that wait for their text: one is delivered with the event in which its text begins. */
export interface TokenQueue {
  add(event: TokenEvent, decoded: string): void;
  /** The tokens whose text begins within the released `text`. */
  take(text: string): readonly AnswerToken[];
  takeAll(): readonly AnswerToken[];
}

const NO_TOKENS: readonly AnswerToken[] = [];

/** A queue; it describes tokens only where that is `wanted`, and else does nothing. */
export function createTokenQueue(tokenizer: Tokenizer, wanted: boolean): TokenQueue {
  if (!wanted) return { add: () => {}, take: () => NO_TOKENS, takeAll: () => NO_TOKENS };
  let waiting: { readonly start: number; readonly token: AnswerToken }[] = [];
  /** UTF-16 units decoded and released so far. */
  let decodedUnits = 0;
  let releasedUnits = 0;
  /** Code points decoded so far: what the wire counts offsets in. */
  let offset = 0;

  return {
    add(event, decoded) {
      waiting.push({ start: decodedUnits, token: describeToken(tokenizer, event, offset) });
      decodedUnits += decoded.length;
      for (const _ of decoded) offset++;
    },
    take(text) {
      releasedUnits += text.length;
      const cut = waiting.findIndex(({ start }) => start >= releasedUnits);
      if (cut === 0) return NO_TOKENS;
      const ready = cut === -1 ? waiting : waiting.slice(0, cut);
      waiting = cut === -1 ? [] : waiting.slice(cut);
      return ready.map(({ token }) => token);
    },
    takeAll() {
      const ready = waiting;
      waiting = [];
      return ready.map(({ token }) => token);
    },
  };
}

function describeToken(tokenizer: Tokenizer, event: TokenEvent, offset: number): AnswerToken {
  return {
    ...describeChance(tokenizer, event.token, event.logprob ?? LEAST_LOGPROB),
    offset,
    top: (event.top ?? []).map((one) => describeChance(tokenizer, one.token, one.logprob)),
  };
}

function describeChance(tokenizer: Tokenizer, token: number, logprob: number): TokenChance {
  const bytes = tokenizer.bytes(token);
  return {
    token,
    text: tokenizer.controlText(token) ?? spell(bytes),
    bytes: [...bytes],
    logprob: Math.max(logprob, LEAST_LOGPROB),
  };
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function spell(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
  }
}
