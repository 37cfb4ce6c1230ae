import { createHash } from "node:crypto";
import { open, realpath, stat } from "node:fs/promises";
import { recall, remember } from "./remembered.ts";

/** Read this much at once: hashing it takes about half a millisecond, so the event loop stays free. */
const CHUNK_BYTES = 1024 * 1024;

/** In the user's cache folder. */
const FOLDER = "digests";

/**
 * The sha256 of a file in hex, of several files as if they were one.
 *
 * About 60 ms per 100 MB, so the answer is kept in the user's cache folder under path, size and time of
 * modification: the next start does not read the file for it. A cache that cannot be read or written
 * costs time and nothing else.
 */
export async function fileDigest(paths: readonly string[]): Promise<string> {
  const entry = await entryOf(paths);
  const known = await recall(FOLDER, entry);
  if (/^[0-9a-f]{64}$/.test(known)) return known;
  const digest = await hashFiles(paths);
  await remember(FOLDER, entry, digest);
  return digest;
}

/** Remember the digest of a file whose bytes have just been read for it. */
export async function rememberDigest(path: string, digest: string): Promise<void> {
  await remember(FOLDER, await entryOf([path]), digest);
}

async function entryOf(paths: readonly string[]): Promise<string> {
  return `${sha256(await fileMarks(paths))}.sha256`;
}

/** The sha256 of a text in hex. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Changes when one of the files does: their places, sizes and times of modification. */
export async function fileMarks(paths: readonly string[]): Promise<string> {
  return (await Promise.all(paths.map(fingerprint))).join("\n");
}

/** Changes when the file does. */
async function fingerprint(path: string): Promise<string> {
  const file = await stat(path, { bigint: true });
  return `${await realpath(path)}\0${file.size}\0${file.mtimeNs}`;
}

async function hashFiles(paths: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (const path of paths) {
    const file = await open(path);
    try {
      for (;;) {
        const { bytesRead } = await file.read(buffer);
        if (bytesRead === 0) break;
        hash.update(buffer.subarray(0, bytesRead));
      }
    } finally {
      await file.close();
    }
  }
  return hash.digest("hex");
}
