import { createCursor } from "./cursor.ts";
import type { Cursor } from "./cursor.ts";
import type { MetadataType, MetadataValue } from "./gguf.ts";
import { MAX_ALIGNMENT } from "./limits.ts";
import { integerOf } from "./metadata.ts";
import { malformed, quote, unsupported } from "./problem.ts";
import type { ByteSource } from "./source.ts";
import { readTensorInfos } from "./tensor-infos.ts";
import type { TensorEntry } from "./tensor-infos.ts";
import { readMetadata } from "./values.ts";
import type { OmitStrings } from "./values.ts";

/** The header of one file. */
export interface Header {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly types: ReadonlyMap<string, MetadataType>;
  /** Offsets count from the beginning of the file; every tensor's bytes exist. */
  readonly tensors: readonly TensorEntry[];
}

const MAGIC = "GGUF";
/** Magic (4), version (4), number of tensors (8), number of metadata entries (8). */
const PREAMBLE_BYTES = 24;
/** Version 1 had 32-bit lengths and is extinct; version 3 only added big-endian files. */
const VERSIONS: ReadonlySet<number> = new Set([2, 3]);
const DEFAULT_ALIGNMENT = 32;

/** Read and check a header: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. */
export async function readHeader(source: ByteSource, omitted?: OmitStrings): Promise<Header> {
  const cursor = createCursor(source);
  await cursor.fill(PREAMBLE_BYTES);
  checkMagic(cursor);
  const version = cursor.u32();
  checkVersion(cursor, version);
  const tensorCount = cursor.u64();
  const metadataCount = cursor.u64();

  const { metadata, types } = await readMetadata(cursor, metadataCount, omitted);
  const entries = await readTensorInfos(cursor, tensorCount);
  const alignment = readAlignment(source.name, metadata);
  const dataStart = Math.ceil(cursor.position() / alignment) * alignment;
  const tensors = entries.map((entry) => placeTensor(source, entry, alignment, dataStart));
  return { version, metadata, types, tensors };
}

function checkMagic(cursor: Cursor): void {
  const magic = cursor.text(4);
  if (magic === MAGIC) return;
  const hints: Readonly<Record<string, string>> = {
    vers: "; it looks like a Git LFS pointer: fetch the file itself",
    "<!DO": "; it looks like a web page: use the file's download address",
    ggjt: "; it is older than GGUF: convert it anew",
    FUGG: "; it is big-endian, which is not supported",
  };
  const problem = `it begins with ${quote(magic)}, a GGUF file with "GGUF"${hints[magic] ?? ""}`;
  throw magic === "FUGG" ? unsupported(cursor.file, problem) : malformed(cursor.file, problem);
}

function checkVersion(cursor: Cursor, version: number): void {
  if (VERSIONS.has(version)) return;
  // Small numbers read in the wrong byte order have their low half empty.
  if (version !== 0 && (version & 0xffff) === 0) {
    throw unsupported(cursor.file, "it is big-endian; convert it to little-endian");
  }
  throw unsupported(cursor.file, `it has GGUF version ${version}; supported are 2 and 3`);
}

function readAlignment(file: string, metadata: ReadonlyMap<string, MetadataValue>): number {
  const key = "general.alignment";
  const alignment = integerOf(file, metadata, key, DEFAULT_ALIGNMENT);
  const isPowerOfTwo = alignment > 0 && Number.isInteger(Math.log2(alignment));
  if (isPowerOfTwo && alignment <= MAX_ALIGNMENT) return alignment;
  throw malformed(file, `${key} is ${alignment}, expected a power of two up to ${MAX_ALIGNMENT}`);
}

function placeTensor(
  source: ByteSource,
  entry: TensorEntry,
  alignment: number,
  dataStart: number,
): TensorEntry {
  const { name, offset, byteLength } = entry;
  if (offset % alignment !== 0) {
    throw malformed(
      source.name,
      `tensor ${quote(name)} begins at ${offset}, which is no multiple of ${alignment}`,
    );
  }
  // Each term is at most 2^54, so the sum may be inexact but is never small by mistake.
  if (dataStart + offset + byteLength > source.size) {
    throw malformed(
      source.name,
      `tensor ${quote(name)} takes ${byteLength} bytes from byte ${dataStart + offset} on, ` +
        `but the file ends at ${source.size}: it was cut short, or it is corrupt`,
    );
  }
  return { ...entry, offset: dataStart + offset };
}
