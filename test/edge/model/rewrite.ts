/** A GGUF file with other bytes for some of its tensors: metadata stays as it is, byte for byte. */
import { open, rename } from "node:fs/promises";
import { createCursor } from "../../../core/gguf/cursor.ts";
import type { GgufModel, TensorInfo } from "../../../core/gguf/gguf.ts";
import type { ByteSource } from "../../../core/gguf/source.ts";
import { readMetadata } from "../../../core/gguf/values.ts";
import { WEIGHT_TYPES, type WeightType } from "../../../core/tensor/dtype.ts";
import { ByteWriter } from "../../fixtures/gguf-writer.ts";

/** New content of a tensor; its shape stays. */
export interface Replacement {
  readonly type: WeightType;
  readonly bytes: Uint8Array;
}

/** Magic, version, and two numbers. */
const PREAMBLE_BYTES = 24;
const ALIGNMENT = 32;

/** Write `gguf`, whose bytes are `source`, to `file` with `replacements`. The file is there once it is complete. */
export async function rewriteGguf(
  source: ByteSource,
  gguf: GgufModel,
  replacements: ReadonlyMap<string, Replacement>,
  file: string,
): Promise<void> {
  if ((gguf.metadata.get("general.alignment") ?? ALIGNMENT) !== ALIGNMENT) {
    throw new RangeError(`Cannot rewrite ${source.name}: its alignment is not ${ALIGNMENT}`);
  }
  const start = new Uint8Array(await metadataEnd(source));
  await source.read(0, start);
  const header = new ByteWriter();
  header.bytes(start);
  const contents: (() => Promise<Uint8Array>)[] = [];
  let offset = 0;
  for (const info of gguf.tensors.values()) {
    const { type, bytes } = replacements.get(info.name) ?? { type: info.type, bytes: undefined };
    header.text(info.name);
    header.u32(info.shape.length);
    for (const size of info.shape.toReversed()) header.u64(size);
    header.u32(WEIGHT_TYPES[type].id);
    header.u64(offset);
    offset += Math.ceil((bytes?.byteLength ?? info.byteLength) / ALIGNMENT) * ALIGNMENT;
    contents.push(() => (bytes === undefined ? wholeTensor(gguf, info) : Promise.resolve(bytes)));
  }
  header.pad(ALIGNMENT);
  const part = `${file}.part`;
  const output = await open(part, "w");
  try {
    await output.writeFile(header.finish());
    for (const content of contents) {
      const bytes = await content();
      await output.writeFile(bytes);
      await output.writeFile(
        new Uint8Array((ALIGNMENT - (bytes.byteLength % ALIGNMENT)) % ALIGNMENT),
      );
    }
  } finally {
    await output.close();
  }
  await rename(part, file);
}

/** A tensor's bytes. */
export async function wholeTensor(gguf: GgufModel, info: TensorInfo): Promise<Uint8Array> {
  const bytes = new Uint8Array(info.byteLength);
  await gguf.read(info, 0, bytes);
  return bytes;
}

/** Where the metadata ends and the table of tensors begins. */
async function metadataEnd(source: ByteSource): Promise<number> {
  const cursor = createCursor(source);
  await cursor.fill(PREAMBLE_BYTES);
  cursor.text(4);
  cursor.u32();
  cursor.u64();
  await readMetadata(cursor, cursor.u64(), () => true);
  return cursor.position();
}
