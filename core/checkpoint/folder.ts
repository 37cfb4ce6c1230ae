import { RuntimeError } from "../errors.ts";
import { malformed } from "../gguf/problem.ts";
import type { ByteSource } from "../gguf/source.ts";
import { parseJson } from "../http/wire/json.ts";

/** The folder of a model, wherever it lies. */
export interface ModelFolder {
  /** Its path or URL, for errors and for the model's name. */
  readonly name: string;
  /** Opens a file in it by its name alone. Rejects with `MODEL_NOT_FOUND` where there is none. */
  open(name: string): Promise<ByteSource>;
}

/** Bytes of a file that is read as a whole. The largest real vocabularies (tokenizer.json) take 35 MB. */
const MAX_WHOLE_BYTES: number = 64 * 2 ** 20;

/** All bytes of a file, or `undefined` where there is none. Rejects with `MODEL_MALFORMED` for a huge one. */
export async function readWhole(
  folder: ModelFolder,
  name: string,
): Promise<Uint8Array | undefined> {
  let source: ByteSource;
  try {
    source = await folder.open(name);
  } catch (error) {
    if (RuntimeError.is(error) && error.code === "MODEL_NOT_FOUND") return undefined;
    throw error;
  }
  try {
    if (source.size > MAX_WHOLE_BYTES) {
      throw malformed(
        source.name,
        `it has ${source.size} bytes, at most ${MAX_WHOLE_BYTES} may be`,
      );
    }
    const bytes = new Uint8Array(source.size);
    await source.read(0, bytes);
    return bytes;
  } finally {
    await source.close();
  }
}

/** A file's text, or `undefined` where there is none. */
export async function readText(folder: ModelFolder, name: string): Promise<string | undefined> {
  const bytes = await readWhole(folder, name);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

/** A JSON object's fields, or `undefined` where there is no such file. Rejects with `MODEL_MALFORMED`. */
export async function readObject(
  folder: ModelFolder,
  name: string,
): Promise<JsonObject | undefined> {
  const text = await readText(folder, name);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw malformed(fileIn(folder, name), cause instanceof Error ? cause.message : String(cause));
  }
  const fields = asObject(value);
  if (fields === undefined) throw malformed(fileIn(folder, name), "it is no JSON object");
  return fields;
}

/** Fields of a JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The fields of a value that is a JSON object, else `undefined`. */
export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined;
}

/** The elements of a value that is an array, else none. */
export function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** How an error names a file of the folder. */
export function fileIn(folder: ModelFolder, name: string): string {
  return folder.name.endsWith("/") ? `${folder.name}${name}` : `${folder.name}/${name}`;
}
