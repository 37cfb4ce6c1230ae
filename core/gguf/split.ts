/** Models split over files `name-00001-of-00003.gguf`, each a GGUF of its own with `split.*` metadata. */
import type { MetadataValue } from "./gguf.ts";
import { MAX_SHARDS } from "./limits.ts";
import { integerOf } from "./metadata.ts";
import { malformed } from "./problem.ts";

/** What a file says about the split. */
export interface Split {
  /** Which of the files this is, from 0. */
  readonly index: number;
  /** How many there are; 1 for a model in one piece. */
  readonly count: number;
  /** Tensors of all files, where it is said. */
  readonly tensors: number | undefined;
}

/** The split of the file `file`. Throws `MODEL_MALFORMED` for numbers that cannot be. */
export function readSplit(file: string, metadata: ReadonlyMap<string, MetadataValue>): Split {
  // Files in one piece may say so with 0 or 1.
  const count = Math.max(1, integerOf(file, metadata, "split.count", 1));
  const index = integerOf(file, metadata, "split.no", 0);
  if (count > MAX_SHARDS) {
    throw malformed(file, `split.count is ${count}, at most ${MAX_SHARDS} may be`);
  }
  if (index < 0 || index >= count) {
    throw malformed(file, `split.no is ${index}, expected 0 to ${count - 1}`);
  }
  const tensors = metadata.has("split.tensors.count")
    ? integerOf(file, metadata, "split.tensors.count", 0)
    : undefined;
  return { index, count, tensors };
}

/** Throws `MODEL_MALFORMED` unless a further file belongs where it was found. */
export function checkSibling(
  file: string,
  metadata: ReadonlyMap<string, MetadataValue>,
  expected: Split,
): void {
  const { index, count } = readSplit(file, metadata);
  if (index === expected.index && count === expected.count) return;
  throw malformed(
    file,
    `it says that it is file ${index + 1} of ${count}, expected ${expected.index + 1} of ${expected.count}`,
  );
}

/** What a path or URL of a first file ends with; the part before is the model's name. */
const FIRST_FILE = /([^/\\]*)-00001-of-(\d{5})\.gguf$/;

/**
 * The name, without its folder, of another file of the model whose first file is `first`. It depends
 * on that path alone, never on text from within the file. Throws `MODEL_MALFORMED` for a first file
 * that is not named as its split asks.
 */
export function siblingName(first: string, index: number, count: number): string {
  const [, name, digits] = FIRST_FILE.exec(first) ?? [];
  if (name === undefined || Number(digits) !== count) {
    throw malformed(
      first,
      `it is the first of ${count} files, so its name should end in ${suffix(0, count)}`,
    );
  }
  return partName(name, index, count);
}

/** The name of one file of a model called `name`. */
export function partName(name: string, index: number, count: number): string {
  return `${name}${suffix(index, count)}`;
}

function suffix(index: number, count: number): string {
  return `-${fiveDigits(index + 1)}-of-${fiveDigits(count)}.gguf`;
}

function fiveDigits(value: number): string {
  return String(value).padStart(5, "0");
}
