/**
 * The header of a safetensors file: eight bytes of length, then JSON that says of each tensor its type, its shape
 * and where its bytes lie behind the header (https://github.com/huggingface/safetensors, "Format").
 */
import { MAX_TENSORS } from "../gguf/limits.ts";
import { malformed, quote, unsupported } from "../gguf/problem.ts";
import type { ByteSource } from "../gguf/source.ts";
import { parseJson } from "../http/wire/json.ts";
import {
  MAX_SAFETENSORS_DIMENSIONS,
  MAX_SAFETENSORS_HEADER_BYTES,
  MAX_SAFETENSORS_NAME,
} from "./limits.ts";

/** Bits of one element, by the format's names of types. */
const ELEMENT_BITS: ReadonlyMap<string, number> = new Map([
  ["BOOL", 8],
  ["U8", 8],
  ["I8", 8],
  ["F8_E4M3", 8],
  ["F8_E5M2", 8],
  ["F8_E8M0", 8],
  ["F4", 4],
  ["U16", 16],
  ["I16", 16],
  ["F16", 16],
  ["BF16", 16],
  ["U32", 32],
  ["I32", 32],
  ["F32", 32],
  ["U64", 64],
  ["I64", 64],
  ["F64", 64],
]);

/** A tensor of one file, checked: its bytes exist and are as many as its shape takes. */
export interface SafetensorsEntry {
  readonly name: string;
  /** As the file names it: `F32`, `BF16`, `F8_E4M3`. */
  readonly type: string;
  /** Slowest dimension first. */
  readonly shape: readonly number[];
  /** From the beginning of the file on. */
  readonly offset: number;
  readonly byteLength: number;
}

/** Bytes of the header's length. */
const LENGTH_BYTES = 8;

/**
 * Read and check a header. Rejects with `MODEL_MALFORMED` for anything the format does not allow, such as tensors
 * that overlap or leave bytes out, and with `MODEL_UNSUPPORTED` for types that it has got since.
 */
export async function readSafetensorsHeader(
  source: ByteSource,
): Promise<readonly SafetensorsEntry[]> {
  const { name: file } = source;
  if (source.size < LENGTH_BYTES) throw malformed(file, `it has only ${source.size} bytes`);
  const prefix = new Uint8Array(LENGTH_BYTES);
  await source.read(0, prefix);
  checkMagic(file, prefix);
  const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (length > MAX_SAFETENSORS_HEADER_BYTES || length > source.size - LENGTH_BYTES) {
    throw malformed(
      file,
      `its header has ${length} bytes, at most ${Math.min(MAX_SAFETENSORS_HEADER_BYTES, source.size - LENGTH_BYTES)} may be`,
    );
  }
  const bytes = new Uint8Array(length);
  await source.read(LENGTH_BYTES, bytes);
  const start = LENGTH_BYTES + length;
  const entries = parseEntries(file, bytes, start);
  checkCoverage(file, entries, start, source.size);
  return entries;
}

/** Files that are often met in the place of weights. */
function checkMagic(file: string, prefix: Uint8Array): void {
  const begin = new TextDecoder("latin1").decode(prefix);
  if (begin.startsWith("version ")) {
    throw malformed(file, "it looks like a Git LFS pointer: fetch the file itself");
  }
  if (/^<!doctyp|^<html/i.test(begin)) {
    throw malformed(file, "it looks like a web page: use the file's download address");
  }
}

function parseEntries(file: string, bytes: Uint8Array, start: number): SafetensorsEntry[] {
  let header: unknown;
  try {
    header = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw malformed(file, `its header is no JSON: ${cause instanceof Error ? cause.message : ""}`);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    throw malformed(file, "its header is no JSON object");
  }
  const fields = Object.entries(header).filter(([name]) => name !== "__metadata__");
  if (fields.length > MAX_TENSORS) {
    throw malformed(file, `it has ${fields.length} tensors, at most ${MAX_TENSORS} may be`);
  }
  return fields.map(([name, value]) => parseEntry(file, name, value, start));
}

function parseEntry(file: string, name: string, value: unknown, start: number): SafetensorsEntry {
  const bad = (what: string): Error => malformed(file, `tensor ${quote(name)} ${what}`);
  if (name.length > MAX_SAFETENSORS_NAME) throw bad("has too long a name");
  if (typeof value !== "object" || value === null) throw bad("is no object");
  const { dtype, shape, data_offsets: offsets } = value as Readonly<Record<string, unknown>>;
  if (typeof dtype !== "string") throw bad("has no dtype");
  const bits = ELEMENT_BITS.get(dtype);
  if (bits === undefined) {
    throw unsupported(file, `tensor ${quote(name)} has the unknown type ${quote(dtype)}`);
  }
  if (!isCounts(shape) || shape.length > MAX_SAFETENSORS_DIMENSIONS) throw bad("has no shape");
  if (!isCounts(offsets) || offsets.length !== 2) throw bad("has no data_offsets");
  let values = 1;
  for (const size of shape) {
    // Dividing before multiplying: the product can never go beyond 2^53 unseen.
    if (size > 0 && values > Number.MAX_SAFE_INTEGER / 64 / size) throw bad("is too large");
    values *= size;
  }
  const [from, to] = offsets as [number, number];
  const byteLength = (values * bits) / 8;
  if (to - from !== byteLength) {
    throw bad(`takes ${byteLength} bytes as ${dtype} [${shape.join(", ")}], it has ${to - from}`);
  }
  return { name, type: dtype, shape, offset: start + from, byteLength };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** The format wants every byte behind the header to belong to exactly one tensor. */
function checkCoverage(
  file: string,
  entries: readonly SafetensorsEntry[],
  start: number,
  size: number,
): void {
  let at = start;
  const inOrder = entries.toSorted((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  for (const entry of inOrder) {
    if (entry.offset !== at) {
      throw malformed(
        file,
        `tensor ${quote(entry.name)} begins at byte ${entry.offset}, expected ${at}`,
      );
    }
    at += entry.byteLength;
  }
  if (at !== size) {
    const cut = at > size ? ": it was cut short" : "";
    throw malformed(file, `its tensors end at byte ${at}, the file at ${size}${cut}`);
  }
}
