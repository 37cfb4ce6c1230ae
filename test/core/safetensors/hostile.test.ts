import { assert, asyncProperty, uint8Array } from "fast-check";
import { expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import { bytesSource } from "../../../core/gguf/source.ts";
import { readSafetensorsHeader } from "../../../core/safetensors/header.ts";
import { withHeader, writeSafetensors } from "../../fixtures/safetensors-writer.ts";

const read = (bytes: Uint8Array): Promise<unknown> =>
  readSafetensorsHeader(bytesSource(bytes, "hostile.safetensors"));

const file = (header: unknown, data = 8): Uint8Array =>
  withHeader(typeof header === "string" ? header : JSON.stringify(header), [new Uint8Array(data)]);

const tensor = (fields: object): object => ({
  t: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...fields },
});

test.each<readonly [string, Uint8Array, RegExp]>([
  ["an empty file", new Uint8Array(0), /only 0 bytes/],
  ["a length beyond the file", new Uint8Array(8).fill(255), /its header has/],
  ["a Git LFS pointer", new TextEncoder().encode("version https://git-lfs"), /Git LFS/],
  ["a web page", new TextEncoder().encode("<!DOCTYPE html>"), /web page/],
  ["no JSON", file("{"), /no JSON/],
  ["bytes that are no UTF-8", withHeader("", [new Uint8Array([1])]), /no JSON/],
  ["an array", file("[]"), /no JSON object/],
  ["deep nesting", file(`${'{"a":'.repeat(1000)}1${"}".repeat(1000)}`), /nested deeper/],
  ["no type", file(tensor({ dtype: 1 })), /no dtype/],
  ["a negative size", file(tensor({ shape: [-2] })), /no shape/],
  ["a size that is no integer", file(tensor({ shape: [0.5] })), /no shape/],
  ["sizes whose product overflows", file(tensor({ shape: [2 ** 40, 2 ** 40] })), /too large/],
  ["one offset", file(tensor({ data_offsets: [0] })), /no data_offsets/],
  ["an end before the beginning", file(tensor({ data_offsets: [8, 0] })), /takes 8 bytes/],
  ["fewer bytes than the shape takes", file(tensor({ data_offsets: [0, 4] })), /takes 8 bytes/],
  ["bytes beyond the end", file(tensor({}), 4), /cut short/],
  ["bytes that belong to nobody", file(tensor({}), 9), /the file at/],
  [
    "tensors that overlap",
    file({ ...tensor({}), u: { dtype: "F32", shape: [2], data_offsets: [4, 12] } }, 12),
    /expected/,
  ],
  [
    "the same tensor twice",
    file(
      '{"t":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"t":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}',
    ),
    /expected/,
  ],
])("readSafetensorsHeader refuses %s", async (_what, bytes, message) => {
  await expect(read(bytes)).rejects.toMatchObject({
    code: "MODEL_MALFORMED",
    message: expect.stringMatching(message),
  });
});

test("readSafetensorsHeader refuses types that it does not know as beyond it", async () => {
  await expect(read(file(tensor({ dtype: "F2" })))).rejects.toMatchObject({
    code: "MODEL_UNSUPPORTED",
  });
});

test("readSafetensorsHeader finds tensors behind the header, empty ones too", async () => {
  const bytes = writeSafetensors({
    a: { dtype: "BF16", shape: [1, 3], data: new Uint8Array(6) },
    empty: { dtype: "F32", shape: [0], data: new Uint8Array(0) },
    b: { dtype: "U8", shape: [], data: Uint8Array.of(7) },
  });
  const start = bytes.byteLength - 7;
  expect(await read(bytes)).toEqual([
    { name: "a", type: "BF16", shape: [1, 3], offset: start, byteLength: 6 },
    { name: "empty", type: "F32", shape: [0], offset: start + 6, byteLength: 0 },
    { name: "b", type: "U8", shape: [], offset: start + 6, byteLength: 1 },
  ]);
});

test("readSafetensorsHeader ends with a typed error whatever the bytes", async () => {
  const valid = file(tensor({}));
  await assert(
    asyncProperty(uint8Array({ minLength: 1, maxLength: valid.byteLength }), async (noise) => {
      const bytes = valid.map((byte, i) =>
        i < noise.length && noise[i]! > 200 ? noise[i]! : byte,
      );
      await read(bytes).catch((error: unknown) => {
        expect(RuntimeError.is(error)).toBe(true);
      });
    }),
    { numRuns: 500 },
  );
});
