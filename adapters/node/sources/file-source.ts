import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { RuntimeError } from "../../../core/errors.ts";
import { checkRange } from "../../../core/gguf/source.ts";
import type { ByteSource } from "../../../core/gguf/source.ts";

/** Bytes of one system call. Linux stops short of 2 GiB, and libuv refuses more. */
const MAX_READ_BYTES: number = 2 ** 30;

/**
 * A source over a file, which stays open until `close`. Reads go straight to where the bytes are
 * wanted. Rejects with `MODEL_NOT_FOUND` where there is no such file, with `MODEL_UNSUPPORTED` for
 * what is no regular file.
 */
export async function openFileSource(path: string): Promise<ByteSource> {
  const handle = await openExisting(path);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) {
      throw new RuntimeError("MODEL_UNSUPPORTED", `Cannot open ${path}: it is not a regular file`);
    }
    return sourceOver(handle, path, stats.size);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openExisting(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw new RuntimeError("MODEL_NOT_FOUND", `Cannot open ${path}: there is no such file`, {
        cause: error,
      });
    }
    throw new RuntimeError("MODEL_UNSUPPORTED", `Cannot open ${path}: the system says ${code}`, {
      cause: error,
    });
  }
}

function sourceOver(handle: FileHandle, name: string, size: number): ByteSource {
  const source: ByteSource = {
    size,
    name,
    async read(offset, into) {
      checkRange(source, offset, into.byteLength);
      let done = 0;
      while (done < into.byteLength) {
        const length = Math.min(into.byteLength - done, MAX_READ_BYTES);
        const { bytesRead } = await handle.read(into, done, length, offset + done);
        if (bytesRead === 0) {
          throw new RuntimeError(
            "MODEL_MALFORMED",
            `Cannot read ${name}: it ended at byte ${offset + done}, it had ${size} when it was opened`,
          );
        }
        done += bytesRead;
      }
    },
    close: () => handle.close(),
  };
  return source;
}
