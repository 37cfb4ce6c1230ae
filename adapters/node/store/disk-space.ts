import { mkdir, statfs } from "node:fs/promises";
import { RuntimeError } from "../../../core/errors.ts";

/** Left free beside a file: a full disk breaks other programs. */
const RESERVE_BYTES: number = 256 * 2 ** 20;

/** Throws `INSUFFICIENT_RESOURCES` unless the disk of `folder`, which is made, has room for so many bytes. */
export async function checkSpace(folder: string, bytes: number, what: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= bytes + RESERVE_BYTES) return;
  throw outOfSpace(
    `Cannot store ${what}: it takes ${mebibytes(bytes)} MiB and ${mebibytes(RESERVE_BYTES)} are kept free, ${folder} has ${mebibytes(free)}`,
  );
}

/** Tell of a disk that filled up while it was written. */
export function describeWriteFailure(error: unknown, path: string): unknown {
  const full = error instanceof Error && "code" in error && error.code === "ENOSPC";
  return full ? outOfSpace(`Cannot write ${path}: the disk is full`, error) : error;
}

function outOfSpace(message: string, cause?: unknown): RuntimeError {
  return new RuntimeError(
    "INSUFFICIENT_RESOURCES",
    `${message}; make room, or put it elsewhere (models of the store: SIROCCO_STORE)`,
    { cause },
  );
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}
