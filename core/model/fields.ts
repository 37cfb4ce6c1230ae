import { RuntimeError } from "../errors.ts";
import type { GgufModel, MetadataValue } from "../gguf/gguf.ts";

/** The least and the greatest value that a field may have. */
export interface FieldRange {
  readonly least: number;
  readonly most: number;
  /** Taken where the file has no such field; without it the field must be there. */
  readonly fallback?: number;
}

/** Checked access to the metadata of one architecture: `block_count` is `llama.block_count` in the file. */
export interface Fields {
  has(name: string): boolean;
  /** Throws `MODEL_MALFORMED` unless the field is an integer in the range. */
  integer(name: string, range: FieldRange): number;
  /** Throws `MODEL_MALFORMED` unless the field is a number in the range. */
  number(name: string, range: FieldRange): number;
  /** The field as it stands, or `undefined`. */
  raw(name: string): MetadataValue | undefined;
}

/** Fields whose names begin with `prefix` and a dot. */
export function createFields(gguf: GgufModel, prefix: string): Fields {
  const raw = (name: string): MetadataValue | undefined => gguf.metadata.get(`${prefix}.${name}`);

  const read = (name: string, range: FieldRange, kind: "a number" | "an integer"): number => {
    const value = raw(name) ?? range.fallback;
    if (typeof value === "object") {
      throw new RuntimeError(
        "MODEL_UNSUPPORTED",
        `Cannot use ${prefix}.${name}: it differs from layer to layer, one value for all is supported`,
      );
    }
    const right = kind === "a number" ? Number.isFinite(value) : Number.isInteger(value);
    if (typeof value === "number" && right && value >= range.least && value <= range.most) {
      return value;
    }
    const found = value === undefined ? "missing" : JSON.stringify(value).slice(0, 40);
    throw new RuntimeError(
      "MODEL_MALFORMED",
      `Cannot use ${prefix}.${name}: it is ${found}, expected ${kind} from ${range.least} to ${range.most}`,
    );
  };

  return {
    has: (name) => raw(name) !== undefined,
    integer: (name, range) => read(name, range, "an integer"),
    number: (name, range) => read(name, range, "a number"),
    raw,
  };
}
