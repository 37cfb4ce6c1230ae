import { readFile, rename, rm, writeFile } from "node:fs/promises";
import * as v from "valibot";
import type { RemoteFile } from "../sources/range-request.ts";

/** Which pieces of a download are on disk. */
export interface ResumeState {
  readonly file: RemoteFile;
  /** Bytes of a piece. */
  readonly piece: number;
  /** Numbers of the pieces that are there. */
  readonly done: ReadonlySet<number>;
}

const STATE = v.object({
  size: v.number(),
  validator: v.optional(v.string()),
  piece: v.number(),
  done: v.array(v.number()),
});

/** The state beside `path`; none where it is of another file, or where nobody can tell. */
export async function readResumeState(
  path: string,
  file: RemoteFile,
  piece: number,
): Promise<ReadonlySet<number>> {
  const text = await readFile(stateFile(path), "utf8").catch(() => "{}");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return new Set();
  }
  const { success, output } = v.safeParse(STATE, value);
  if (!success) return new Set();
  const isSame =
    output.size === file.size && output.validator === file.validator && output.piece === piece;
  const pieces = Math.ceil(file.size / piece);
  return new Set(isSame ? output.done.filter((i) => Number.isInteger(i) && i < pieces) : []);
}

/** Remember the pieces that are on disk; written aside and renamed. */
export async function writeResumeState(path: string, state: ResumeState): Promise<void> {
  const { file, piece, done } = state;
  const aside = `${stateFile(path)}.${process.pid}`;
  await writeFile(aside, JSON.stringify({ ...file, piece, done: [...done] }));
  await rename(aside, stateFile(path));
}

/** Forget it: the download is complete, or begins anew. */
export async function removeResumeState(path: string): Promise<void> {
  await rm(stateFile(path), { force: true });
}

function stateFile(path: string): string {
  return `${path}.json`;
}
