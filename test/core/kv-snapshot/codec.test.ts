import { describe, expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import {
  decodeSnapshot,
  encodeSnapshot,
  type SnapshotFacts,
} from "../../../core/kv-snapshot/codec.ts";
import { createRandom } from "../../fixtures/random.ts";

const FACTS: SnapshotFacts = {
  model: "sha256:abc",
  numerics: { version: 1, backend: "wasm", kvType: "q8_0" },
  vocabSize: 50,
};
const prefix = {
  tokens: Uint32Array.from({ length: 32 }, (_, i) => i),
  data: Uint8Array.from({ length: 400 }, (_, i) => i & 255),
};

test("what is encoded is decoded, at any offset of a buffer", async () => {
  const bytes = await encodeSnapshot(prefix, FACTS);
  expect(await decodeSnapshot(bytes, FACTS)).toEqual(prefix);
  const shifted = new Uint8Array(bytes.byteLength + 3);
  shifted.set(bytes, 3);
  expect(await decodeSnapshot(shifted.subarray(3), FACTS)).toEqual(prefix);
});

describe("a snapshot of something else", () => {
  test.for<[string, SnapshotFacts]>([
    ["model", { ...FACTS, model: "sha256:abd" }],
    ["numerics", { ...FACTS, numerics: { ...FACTS.numerics, version: 2 } }],
    ["backend", { ...FACTS, numerics: { ...FACTS.numerics, backend: "reference" } }],
    ["cache", { ...FACTS, numerics: { ...FACTS.numerics, kvType: "f16" } }],
    ["vocabulary", { ...FACTS, vocabSize: 51 }],
    ["model", { ...FACTS, model: "sha256:abc\nnumerics 1" }],
  ])("is refused by its %s", async ([what, facts]) => {
    const bytes = await encodeSnapshot(prefix, facts);
    const decoding = decodeSnapshot(bytes, FACTS);
    await expect(decoding).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
    await expect(decoding).rejects.toThrow(what);
  });

  test("is refused by its format", async () => {
    const bytes = await encodeSnapshot(prefix, FACTS);
    bytes[4] = 2;
    await expect(decodeSnapshot(bytes, FACTS)).rejects.toThrow("it has format 2");
  });
});

describe("a damaged snapshot", () => {
  test("is refused whichever byte is changed", async () => {
    const bytes = await encodeSnapshot(prefix, FACTS);
    for (let at = 0; at < bytes.byteLength; at++) {
      const damaged = bytes.slice();
      damaged[at]! ^= 1 << (at & 7);
      await expect(decodeSnapshot(damaged, FACTS), `byte ${at}`).rejects.toBeInstanceOf(
        RuntimeError,
      );
    }
  });

  test("is refused wherever it ends", async () => {
    const bytes = await encodeSnapshot(prefix, FACTS);
    for (let length = 0; length < bytes.byteLength; length++) {
      await expect(decodeSnapshot(bytes.subarray(0, length), FACTS)).rejects.toMatchObject({
        code: "MODEL_MALFORMED",
      });
    }
  });

  test("is refused for counts that it cannot hold, before they are believed", async () => {
    for (const at of [40, 44]) {
      const bytes = await encodeSnapshot(prefix, FACTS);
      new DataView(bytes.buffer).setUint32(at, 0xffff_ffff, true);
      await expect(decodeSnapshot(bytes, FACTS)).rejects.toThrow("cannot hold");
    }
  });

  test("is refused for a token that there is not", async () => {
    const tokens = Uint32Array.of(...prefix.tokens.subarray(1), 50);
    const bytes = await encodeSnapshot({ ...prefix, tokens }, FACTS);
    await expect(decodeSnapshot(bytes, FACTS)).rejects.toThrow("token 50");
  });

  test("is refused though it is random", async () => {
    const random = createRandom(3);
    for (let i = 0; i < 200; i++) {
      const bytes = Uint8Array.from({ length: random.int(0, 200) }, () => random.int(0, 255));
      bytes.set(new TextEncoder().encode("SKVS").subarray(0, bytes.byteLength));
      await expect(decodeSnapshot(bytes, FACTS)).rejects.toBeInstanceOf(RuntimeError);
    }
  });
});

test("what no decoder would take is not encoded", async () => {
  const facts = { ...FACTS, model: "m".repeat(5000) };
  await expect(encodeSnapshot(prefix, facts)).rejects.toThrow(RangeError);
});
