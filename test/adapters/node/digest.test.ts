import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fileDigest, rememberDigest, sha256 } from "../../../adapters/node/digest.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sirocco-digest-"));
  vi.stubEnv("XDG_CACHE_HOME", join(folder, "cache"));
  vi.stubEnv("LOCALAPPDATA", join(folder, "cache"));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

test("sha256 is the published one", () => {
  expect(sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

test("fileDigest of several files is that of their bytes in a row", async () => {
  const paths = [join(folder, "a"), join(folder, "b")];
  await writeFile(paths[0]!, "ab");
  await writeFile(paths[1]!, "c");
  expect(await fileDigest(paths)).toBe(sha256("abc"));
});

test.runIf(process.platform === "linux")("fileDigest does not read a file twice", async () => {
  const path = join(folder, "model");
  const time = new Date(1_700_000_000_000);
  await writeFile(path, "one");
  await utimes(path, time, time);
  expect(await fileDigest([path])).toBe(sha256("one"));
  expect(await readdir(join(folder, "cache", "sirocco", "digests"))).toHaveLength(1);
  // Same size and time: only a digest that is remembered can still be the old one.
  await writeFile(path, "two");
  await utimes(path, time, time);
  expect(await fileDigest([path])).toBe(sha256("one"));
});

test("fileDigest takes what whoever read the file remembered, until it changes", async () => {
  const path = join(folder, "model");
  await writeFile(path, "one");
  await rememberDigest(path, sha256("as remembered"));
  expect(await fileDigest([path])).toBe(sha256("as remembered"));
  await writeFile(path, "other");
  expect(await fileDigest([path])).toBe(sha256("other"));
});

test("fileDigest notices that a file has changed", async () => {
  const path = join(folder, "model");
  await writeFile(path, "one");
  await fileDigest([path]);
  await writeFile(path, "three");
  expect(await fileDigest([path])).toBe(sha256("three"));
});

test("fileDigest works where the cache cannot be written", async () => {
  const path = join(folder, "model");
  await writeFile(path, "abc");
  // A file where the folder should be.
  vi.stubEnv("XDG_CACHE_HOME", path);
  expect(await fileDigest([path])).toBe(sha256("abc"));
});
