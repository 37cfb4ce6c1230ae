/** Files of a store by their digest. */
import { createHash } from "node:crypto";
import { lstat, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { RuntimeError } from "../../../core/errors.ts";
import { fileDigest, rememberDigest } from "../digest.ts";
import { listManifests } from "./manifest.ts";
import { blobPath, type StorePlace } from "./place.ts";

/** What a file's bytes have to be, as far as that is known. */
export interface Expected {
  readonly sha256?: string;
  /** The name that Git gives to these bytes. */
  readonly gitSha1?: string;
}

/** Read this much at once. */
const CHUNK_BYTES: number = 2 ** 20;

/**
 * Whether a store has these bytes already. They are read for that once, and again when the file is another one by its
 * size or time of modification.
 */
export async function hasBlob(place: StorePlace, sha256: string, size: number): Promise<boolean> {
  const path = blobPath(place, sha256);
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isFile() !== true || stats.size !== size) return false;
  return (await fileDigest([path])) === sha256;
}

/**
 * Take a complete file into the store and give its digest. One whose digest is another than expected is put aside,
 * where nothing reads it, and this rejects with `MODEL_MALFORMED`.
 */
export async function adoptBlob(
  place: StorePlace,
  path: string,
  name: string,
  expected: Expected,
  onBytes: (count: number) => void = () => {},
): Promise<string> {
  const { sha256, gitSha1 } = await digests(path, onBytes);
  const isWrong =
    (expected.sha256 !== undefined && expected.sha256 !== sha256) ||
    (expected.gitSha1 !== undefined && expected.gitSha1 !== gitSha1);
  if (isWrong) {
    await mkdir(place.quarantine, { recursive: true });
    const aside = join(place.quarantine, `sha256-${sha256}`);
    await rename(path, aside);
    throw new RuntimeError(
      "MODEL_MALFORMED",
      `Cannot store ${name}: its digest is ${expected.sha256 === undefined ? gitSha1 : sha256}, ${expected.sha256 ?? expected.gitSha1} was expected; it was put aside as ${aside}`,
    );
  }
  await mkdir(place.blobs, { recursive: true });
  const blob = blobPath(place, sha256);
  await rename(path, blob);
  await rememberDigest(blob, sha256);
  return sha256;
}

async function digests(
  path: string,
  onBytes: (count: number) => void,
): Promise<Required<Expected>> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const sha256 = createHash("sha256");
    // Git hashes a file behind its kind and length.
    const sha1 = createHash("sha1").update(`blob ${size}\0`);
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer);
      if (bytesRead === 0) break;
      const chunk = buffer.subarray(0, bytesRead);
      sha256.update(chunk);
      sha1.update(chunk);
      onBytes(bytesRead);
    }
    return { sha256: sha256.digest("hex"), gitSha1: sha1.digest("hex") };
  } finally {
    await file.close();
  }
}

/**
 * Remove blobs that no model has any more: those named, or all of them. Gives the bytes that became free. A download
 * that is under way has no model yet: removing all is for when there is none.
 */
export async function removeUnused(
  place: StorePlace,
  candidates?: readonly string[],
): Promise<number> {
  const manifests = await listManifests(place);
  const used = new Set(manifests.flatMap(({ files }) => files.map(({ sha256 }) => sha256)));
  const known = candidates ?? (await blobDigests(place));
  let freed = 0;
  for (const sha256 of new Set(known)) {
    if (used.has(sha256)) continue;
    const path = blobPath(place, sha256);
    freed += (await stat(path).catch(() => undefined))?.size ?? 0;
    await rm(path, { force: true });
  }
  return freed;
}

async function blobDigests({ blobs }: StorePlace): Promise<string[]> {
  const names = await readdir(blobs).catch(() => []);
  return names.flatMap((name) => /^sha256-([0-9a-f]{64})$/.exec(name)?.[1] ?? []);
}
