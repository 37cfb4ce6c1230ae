import { open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { RuntimeError } from "../../core/errors.ts";
import type { GgufModel } from "../../core/gguf/gguf.ts";
import { inOrder, writeGguf, type WriteGgufOptions } from "../../core/gguf/write.ts";
import { checkSpace, describeWriteFailure } from "./store/disk-space.ts";

/** What is written, and whether it may take the place of another file. */
export interface WriteModelOptions extends WriteGgufOptions {
  readonly force?: boolean;
}

/** Room for a header beside the tensors: a vocabulary and its merges. */
const HEADER_BYTES: number = 32 * 2 ** 20;

/**
 * Write a model to a GGUF file, which is there once it is complete. Gives its bytes. Rejects with
 * `UNSUPPORTED_PARAMETER` where there is such a file, `INSUFFICIENT_RESOURCES` where there is no room for it, which is
 * found out before anything is written, and as `writeGguf` does.
 */
export async function writeModel(
  model: GgufModel,
  path: string,
  options: WriteModelOptions = {},
): Promise<number> {
  const { force = false, tensors = inOrder(model), signal } = options;
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (isThere && !force) {
    throw new RuntimeError(
      "UNSUPPORTED_PARAMETER",
      `Cannot write ${path}: there is such a file; remove it, or give --force`,
    );
  }
  const bytes = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  await checkSpace(dirname(path), bytes + HEADER_BYTES, path);
  const aside = `${path}.${process.pid}.part`;
  const file = await open(aside, "w");
  let written = 0;
  try {
    await writeGguf(
      model,
      {
        async write(chunk) {
          await file.writeFile(chunk);
          written += chunk.byteLength;
        },
      },
      { ...options, tensors },
    );
    await file.sync();
    await file.close();
    await rename(aside, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(aside, { force: true });
    if (signal?.aborted === true) {
      throw new RuntimeError("ABORTED", `Writing ${path} was aborted`, { cause: error });
    }
    throw describeWriteFailure(error, path);
  }
  return written;
}
