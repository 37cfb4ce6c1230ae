/** Sets of Unicode characters, and how UTF-8 spells them. */

/** Ranges of code points, ascending, neither touching nor overlapping; no surrogates. */
export type CharSet = readonly (readonly [from: number, to: number])[];

const LAST = 0x10_ffff;
const SURROGATES = [0xd800, 0xdfff] as const;

/** Every character that a text can hold. */
export const ANY_CHAR: CharSet = [
  [0, SURROGATES[0] - 1],
  [SURROGATES[1] + 1, LAST],
];

/** The set of these ranges, in any order. */
export function charSet(...ranges: readonly (readonly [number, number])[]): CharSet {
  // Most sets are of one run, far from any surrogate.
  const [one] = ranges;
  if (ranges.length === 1 && one![0] <= one![1] && one![1] < SURROGATES[0]) return [one!];
  const sorted = ranges
    .flatMap(([from, to]) => [
      [from, Math.min(to, SURROGATES[0] - 1)] as const,
      [Math.max(from, SURROGATES[1] + 1), to] as const,
    ])
    .filter(([from, to]) => from <= to)
    .toSorted((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [from, to] of sorted) {
    const last = merged.at(-1);
    // What only surrogates separate stays apart.
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

/** The set of one character or, by its code points, of several. */
export function charsOf(text: string): CharSet {
  return charSet(
    ...Array.from(text, (char) => [char.codePointAt(0)!, char.codePointAt(0)!] as const),
  );
}

/** What is in any of the sets. */
export function unite(...sets: readonly CharSet[]): CharSet {
  return charSet(...sets.flat());
}

/** What is in both sets. */
export function intersect(a: CharSet, b: CharSet): CharSet {
  const common: [number, number][] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const from = Math.max(a[i]![0], b[j]![0]);
    const to = Math.min(a[i]![1], b[j]![1]);
    if (from <= to) common.push([from, to]);
    if (a[i]![1] < b[j]![1]) i++;
    else j++;
  }
  return common;
}

/** What is not in the set. */
export function complement(set: CharSet): CharSet {
  const rest: [number, number][] = [];
  let next = 0;
  for (const [from, to] of set) {
    if (from > next) rest.push([next, from - 1]);
    next = to + 1;
  }
  if (next <= LAST) rest.push([next, LAST]);
  return charSet(...rest);
}

/** Inclusive bounds of each byte of a run of characters. */
export type ByteRanges = readonly (readonly [from: number, to: number])[];

/** The last code points that UTF-8 spells in one, two, three and four bytes. */
const LENGTH_ENDS = [0x7f, 0x7ff, 0xffff, LAST] as const;

/** The spellings of a set: each entry stands for all byte sequences within its bounds. */
export function utf8Ranges(set: CharSet): ByteRanges[] {
  const all: ByteRanges[] = [];
  for (const [from, to] of set) {
    let start = from;
    for (const [i, end] of LENGTH_ENDS.entries()) {
      if (start <= Math.min(end, to)) split(start, Math.min(end, to), i, all);
      start = Math.max(start, end + 1);
    }
  }
  return all;
}

/** Cut a run of equally long spellings where its trailing bytes are not the same for all leading ones. */
function split(from: number, to: number, trailing: number, into: ByteRanges[]): void {
  for (let i = 1; i <= trailing; i++) {
    const low = (1 << (6 * i)) - 1;
    if (from >> (6 * i) === to >> (6 * i)) continue;
    if ((from & low) !== 0) {
      split(from, from | low, trailing, into);
      split((from | low) + 1, to, trailing, into);
      return;
    }
    if ((to & low) !== low) {
      split(from, (to & ~low) - 1, trailing, into);
      split(to & ~low, to, trailing, into);
      return;
    }
  }
  const [first, last] = [spell(from, trailing), spell(to, trailing)];
  into.push(first.map((byte, i) => [byte, last[i]!] as const));
}

const LEADS = [0, 0xc0, 0xe0, 0xf0] as const;

function spell(point: number, trailing: number): number[] {
  const bytes = [LEADS[trailing]! | (point >> (6 * trailing))];
  for (let i = trailing - 1; i >= 0; i--) bytes.push(0x80 | ((point >> (6 * i)) & 0x3f));
  return bytes;
}
