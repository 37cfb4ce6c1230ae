import type { GgufModel, TensorInfo } from "./gguf.ts";
import { readHeader } from "./header.ts";
import type { Header } from "./header.ts";
import { MAX_TENSORS } from "./limits.ts";
import { malformed, quote, unsupported } from "./problem.ts";
import type { ByteSource } from "./source.ts";
import type { OmitStrings } from "./values.ts";
import { checkSibling, readSplit, siblingName } from "./split.ts";

/** Opens a file that lies beside the first one, by its name alone. */
export type OpenSibling = (name: string) => Promise<ByteSource>;

/**
 * Read and check the header of a GGUF model (version 2 or 3, little-endian), or of all files of a
 * split one, which is opened by its first file `…-00001-of-0000N.gguf`.
 *
 * The model owns `source` and what `openSibling` brings: its `close` closes them all, and so does a
 * failure here. Rejects with `MODEL_MALFORMED` for a file that contradicts the format or itself, and
 * with `MODEL_UNSUPPORTED` for one that is sound but beyond us. Nothing is allocated on the word of
 * the file before the bytes that it speaks of are known to exist.
 *
 * `omitted` names arrays of strings that the caller does without: a vocabulary is most of a header, and
 * making strings of it takes longer than everything else here.
 */
export async function openGguf(
  source: ByteSource,
  openSibling?: OpenSibling,
  omitted?: OmitStrings,
): Promise<GgufModel> {
  const shards: ByteSource[] = [source];
  const close = async (): Promise<void> => {
    await Promise.all(shards.map((shard) => shard.close()));
  };
  try {
    const first = await readHeader(source, omitted);
    const headers = [first, ...(await openSiblings(first, shards, openSibling))];
    return {
      version: first.version,
      metadata: first.metadata,
      types: first.types,
      tensors: mergeTensors(headers, shards),
      byteLength: shards.reduce((sum, shard) => sum + shard.size, 0),
      async read(tensor, offset, into) {
        if (offset < 0 || offset + into.byteLength > tensor.byteLength) {
          throw new RangeError(
            `Cannot read bytes ${offset} to ${offset + into.byteLength} of ${tensor.name}: it has ${tensor.byteLength}`,
          );
        }
        await shards[tensor.shard]!.read(tensor.offset + offset, into);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Opens the other files of a split model, adding each to `shards` before anything can fail. */
async function openSiblings(
  first: Header,
  shards: ByteSource[],
  openSibling: OpenSibling | undefined,
): Promise<Header[]> {
  const file = shards[0]!.name;
  const split = readSplit(file, first.metadata);
  if (split.count === 1) return [];
  if (split.index !== 0) {
    throw unsupported(
      file,
      `it is file ${split.index + 1} of a model split into ${split.count}: open the first one`,
    );
  }
  if (openSibling === undefined) {
    throw unsupported(
      file,
      `it is split into ${split.count} files and only this one is at hand: merge them first`,
    );
  }
  const headers: Header[] = [];
  for (let index = 1; index < split.count; index++) {
    const sibling = await openSibling(siblingName(file, index, split.count));
    shards.push(sibling);
    const header = await readHeader(sibling);
    checkSibling(sibling.name, header.metadata, { ...split, index });
    headers.push(header);
  }
  const tensors = headers.reduce(
    (sum, header) => sum + header.tensors.length,
    first.tensors.length,
  );
  if (split.tensors !== undefined && split.tensors !== tensors) {
    throw malformed(
      file,
      `its files hold ${tensors} tensors, split.tensors.count is ${split.tensors}`,
    );
  }
  return headers;
}

function mergeTensors(
  headers: readonly Header[],
  shards: readonly ByteSource[],
): Map<string, TensorInfo> {
  const tensors = new Map<string, TensorInfo>();
  for (const [shard, header] of headers.entries()) {
    for (const entry of header.tensors) {
      if (tensors.has(entry.name)) {
        throw malformed(shards[shard]!.name, `tensor ${quote(entry.name)} occurs twice`);
      }
      tensors.set(entry.name, { ...entry, shard });
    }
  }
  if (tensors.size > MAX_TENSORS) {
    throw malformed(
      shards[0]!.name,
      `it has ${tensors.size} tensors, at most ${MAX_TENSORS} may be`,
    );
  }
  return tensors;
}
