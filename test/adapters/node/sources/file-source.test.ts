import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openFileSource } from "../../../../adapters/node/sources/file-source.ts";

const folder = mkdtempSync(join(tmpdir(), "sirocco-file-source-"));
afterAll(() => rmSync(folder, { recursive: true }));

const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 31) & 0xff);
function write(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe("openFileSource", () => {
  test("reads into the memory it is given, shared memory too", async () => {
    const path = write("a.bin");
    const source = await openFileSource(path);
    expect(source).toMatchObject({ size: bytes.byteLength, name: path });
    for (const memory of [new ArrayBuffer(3000), new SharedArrayBuffer(3000)]) {
      const into = new Uint8Array(memory, 100, 2000);
      await source.read(5000, into);
      expect(into).toEqual(bytes.subarray(5000, 7000));
      // Nothing beside the wanted bytes is touched.
      expect(new Uint8Array(memory, 0, 100)).toEqual(new Uint8Array(100));
      expect(new Uint8Array(memory, 2100)).toEqual(new Uint8Array(900));
    }
    await source.close();
    await expect(source.read(0, new Uint8Array(1))).rejects.toThrow();
  });

  test("serves reads that run together", async () => {
    const source = await openFileSource(write("together.bin"));
    const parts = Array.from({ length: 20 }, () => new Uint8Array(500));
    await Promise.all(parts.map((part, i) => source.read(i * 500, part)));
    expect(new Uint8Array(Buffer.concat(parts))).toEqual(bytes);
    await source.close();
  });

  test("refuses bytes beyond the end, of the file as it was and as it is", async () => {
    const path = write("short.bin");
    const source = await openFileSource(path);
    await expect(source.read(9999, new Uint8Array(2))).rejects.toMatchObject({
      code: "MODEL_MALFORMED",
    });
    truncateSync(path, 6000);
    await expect(source.read(5000, new Uint8Array(2000))).rejects.toMatchObject({
      code: "MODEL_MALFORMED",
      message: expect.stringContaining("ended at byte 6000, it had 10000"),
    });
    await source.close();
  });

  test("says that there is no such file, or that it is none", async () => {
    await expect(openFileSource(join(folder, "absent.gguf"))).rejects.toMatchObject({
      code: "MODEL_NOT_FOUND",
      message: expect.stringContaining("absent.gguf: there is no such file"),
    });
    await expect(openFileSource(folder)).rejects.toMatchObject({
      code: "MODEL_UNSUPPORTED",
      message: expect.stringContaining("not a regular file"),
    });
  });
});
