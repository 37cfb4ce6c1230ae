import { malformed } from "../gguf/problem.ts";

/** A field of a protobuf message: numbers as they are, everything with a length as bytes. */
export type ProtobufField = readonly [number: number, value: number | Uint8Array];

/** Fields of one message; the largest vocabularies have below 300 000 pieces. */
const MAX_FIELDS = 2_000_000;

/**
 * The fields of a message, in order (https://protobuf.dev/programming-guides/encoding). Throws `MODEL_MALFORMED` for
 * bytes that are none, naming `file`. Integers beyond 2^53 lose their low bits: none here are as large.
 */
export function readFields(file: string, bytes: Uint8Array): ProtobufField[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: ProtobufField[] = [];
  let at = 0;
  const check = (length: number): void => {
    if (length <= bytes.byteLength - at) return;
    throw malformed(file, `a field needs ${length} bytes from byte ${at} on, there are fewer`);
  };
  const varint = (): number => {
    let value = 0;
    // Ten bytes hold 64 bits.
    for (let i = 0, scale = 1; i < 10; i++, scale *= 128) {
      check(1);
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw malformed(file, `a number before byte ${at} does not end`);
  };
  const value = (wire: number): number | Uint8Array => {
    if (wire === 0) return varint();
    const length = wire === 1 ? 8 : wire === 5 ? 4 : wire === 2 ? varint() : undefined;
    if (length === undefined) throw malformed(file, `a field before byte ${at} has type ${wire}`);
    check(length);
    at += length;
    if (wire === 1) return view.getFloat64(at - 8, true);
    if (wire === 5) return view.getFloat32(at - 4, true);
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.byteLength) {
    const tag = varint();
    if (found.length === MAX_FIELDS) throw malformed(file, `it has more than ${MAX_FIELDS} fields`);
    found.push([Math.floor(tag / 8), value(tag % 8)]);
  }
  return found;
}
