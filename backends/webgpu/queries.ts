import type { LogitChanges, LogitQuery, LogitSummary } from "../../core/tensor/logits.ts";
import { bitsOf } from "./kernels.ts";

/** Tokens of a group, the words of a query, and of the head before them (kernels-wgsl/logits.wgsl). */
const GROUP = 256;
const QUERY_WORDS = 12;
const HEAD_WORDS = 4;
const CHANGE_WORDS = 9;

/** Words of an answer before its lists. */
const LISTS = 4;

/** Words that each group of a query has among the results. */
const GROUP_WORDS = 3;

const FLAG = { mass: 1, draw: 2 } as const;

/** What queries become on the device. */
export interface QueryTables {
  readonly words: Uint32Array<ArrayBuffer>;
  readonly groups: number;
  /** Words of all answers, which are the first results. */
  readonly answerWords: number;
  /** Words of all results. */
  readonly resultWords: number;
  readonly changes: boolean;
  readonly weights: boolean;
  readonly draws: boolean;
}

/** Write queries of different rows of logits[rows, vocab], which begin at `word`, down. */
export function writeQueries(
  word: number,
  vocab: number,
  queries: readonly LogitQuery[],
): QueryTables {
  const groups = Math.ceil(vocab / GROUP);
  const answer = answerWords(vocab, queries);
  const answers = queries.length * answer;
  let lists = HEAD_WORDS + QUERY_WORDS * queries.length;
  const room = queries.reduce((sum, query) => sum + listWords(query), lists);
  const words = new Uint32Array(room);
  words.set([vocab, groups]);
  for (const [i, query] of queries.entries()) {
    const { tokens = [], changes, mask, draw } = query;
    const at = HEAD_WORDS + QUERY_WORDS * i;
    const changesAt = lists + tokens.length;
    words.set(
      [
        word + query.row * vocab,
        Math.min(query.k, vocab),
        (query.mass === true ? FLAG.mass : 0) | (draw === undefined ? 0 : FLAG.draw),
        bitsOf(1 / (draw?.temperature ?? 1)),
        bitsOf(draw?.random ?? 0),
        tokens.length,
        lists,
        changes?.count ?? 0,
        changesAt,
        i * answer,
        answers + i * GROUP_WORDS * groups,
        mask === undefined ? 0 : changesAt + changeWords(query),
      ],
      at,
    );
    words.set(tokens, lists);
    if (changes !== undefined) writeChanges(words, changesAt, changes);
    if (mask !== undefined) words.set(mask, changesAt + changeWords(query));
    lists += listWords(query);
  }
  return {
    words,
    groups,
    answerWords: answers,
    resultWords: answers + queries.length * GROUP_WORDS * groups,
    changes: queries.some((query) => listWords(query) > 0),
    weights: queries.some(({ mass, draw }) => mass === true || draw !== undefined),
    draws: queries.some(({ draw }) => draw !== undefined),
  };
}

function changeWords({ changes }: LogitQuery): number {
  return CHANGE_WORDS * (changes?.count ?? 0);
}

function listWords(query: LogitQuery): number {
  return (query.tokens?.length ?? 0) + changeWords(query) + (query.mask?.length ?? 0);
}

function answerWords(vocab: number, queries: readonly LogitQuery[]): number {
  const lists = queries.map(({ k, tokens }) => (tokens?.length ?? 0) + 2 * Math.min(k, vocab));
  return LISTS + Math.max(0, ...lists);
}

/** Ids, and each term as the sum of two floats. */
function writeChanges(
  words: Uint32Array,
  first: number,
  { count, ids, terms }: LogitChanges,
): void {
  for (let i = 0; i < count; i++) {
    const at = first + CHANGE_WORDS * i;
    words[at] = ids[i]!;
    for (let t = 0; t < 4; t++) {
      const term = terms[4 * i + t]!;
      const high = Math.fround(term);
      words[at + 1 + 2 * t] = bitsOf(high);
      words[at + 2 + 2 * t] = bitsOf(Number.isFinite(high) ? term - high : 0);
    }
  }
}

/** Read the answers that came back. */
export function readAnswers(
  bytes: ArrayBuffer,
  vocab: number,
  queries: readonly LogitQuery[],
): LogitSummary[] {
  const words = new Uint32Array(bytes);
  const floats = new Float32Array(bytes);
  const answer = answerWords(vocab, queries);
  return queries.map(({ k: wanted, tokens, mass, draw }, i) => {
    const at = i * answer;
    const k = Math.min(wanted, vocab);
    const lists = at + LISTS + (tokens?.length ?? 0);
    return {
      tokenLogits: floats.subarray(at + LISTS, lists),
      ids: words.subarray(lists, lists + k),
      logits: floats.subarray(lists + k, lists + 2 * k),
      max: floats[at]!,
      mass: mass === true ? floats[at + 1]! : 0,
      drawn: draw === undefined ? -1 : words[at + 2]!,
      drawnLogit: draw === undefined ? -Infinity : floats[at + 3]!,
    };
  });
}
