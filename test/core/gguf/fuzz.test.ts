import { expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import { openGguf } from "../../../core/gguf/parse.ts";
import { bytesSource } from "../../../core/gguf/source.ts";
import type { ByteSource } from "../../../core/gguf/source.ts";
import { byteLength } from "../../../core/tensor/dtype.ts";
import { arrayOf, typed, writeGguf } from "../../fixtures/gguf-writer.ts";
import { ENTRY_COUNT_AT, mapHeader, TENSOR_COUNT_AT } from "./header-map.ts";
import type { HeaderMap } from "./header-map.ts";

/** More by SIROCCO_FUZZ=1000000; another run by SIROCCO_FUZZ_SEED. */
const MUTATIONS = Number(process.env["SIROCCO_FUZZ"] ?? 100_000);
const SEED = Number(process.env["SIROCCO_FUZZ_SEED"] ?? Date.now() % 1_000_000);

/** Growth of memory between two looks at it that is no longer garbage awaiting its collection. */
const MAX_GROWTH_BYTES = 256 * 2 ** 20;
const MAX_PARSE_MS = 2000;

/** A header with every type of value, arrays of arrays, and tensors of several types. */
const SOUND: Uint8Array = writeGguf({
  metadata: {
    "general.architecture": "llama",
    "general.alignment": 32,
    "a.u8": typed("u8", 1),
    "a.i8": typed("i8", -1),
    "a.u16": typed("u16", 1),
    "a.i16": typed("i16", -1),
    "a.i32": typed("i32", -1),
    "a.f32": typed("f32", 1.5),
    "a.bool": true,
    "a.u64": typed("u64", 1),
    "a.i64": typed("i64", -1),
    "a.f64": typed("f64", 1.5),
    "tokenizer.ggml.tokens": Array.from({ length: 40 }, (_, i) => `\u2581token${i}`),
    "tokenizer.ggml.scores": Float32Array.from({ length: 40 }, (_, i) => -i),
    "tokenizer.ggml.token_type": new Int32Array(40).fill(1),
    "b.bools": arrayOf("bool", [true, false, true]),
    "b.wide": arrayOf("u64", [1, 2, 3]),
    "b.nested": arrayOf("array", [arrayOf("u8", [1, 2]), arrayOf("string", ["x", "y"])]),
    "b.empty": arrayOf("string", []),
    "split.count": 1,
  },
  tensors: [
    { name: "v.weight", shape: [8], type: "f32", data: new Float32Array(8) },
    { name: "m.weight", shape: [2, 32], type: "q8_0", data: new Float32Array(64) },
    { name: "h.weight", shape: [2, 3, 2], type: "f16", data: new Float32Array(12) },
    { name: "k.weight", shape: [1, 256], type: "q4_k", data: new Uint8Array(144) },
  ],
});

type Random = (below: number) => number;

/** Whole numbers below a bound, the same for the same seed (xorshift32). */
function randomFrom(seed: number): Random {
  let state = (seed * 2_654_435_761) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const HOSTILE_WIDE: readonly bigint[] = [
  0n,
  1n,
  2n,
  5n,
  31n,
  33n,
  64n,
  65n,
  255n,
  1000n,
  65_536n,
  65_537n,
  2_000_000n,
  2_000_001n,
  2n ** 24n,
  2n ** 24n + 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 40n,
  2n ** 52n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 61n,
  2n ** 62n + 1n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 32n,
  2n ** 64n - 1n,
];

type Mutate = (bytes: Uint8Array, map: HeaderMap, random: Random) => Uint8Array;

function pick<T>(from: readonly T[], random: Random): T {
  return from[random(from.length)]!;
}

/** The bytes with [at, at + removed) replaced. */
function splice(bytes: Uint8Array, at: number, removed: number, added: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.byteLength - removed + added.byteLength);
  out.set(bytes.subarray(0, at));
  out.set(added, at);
  out.set(bytes.subarray(at + removed), at + added.byteLength);
  return out;
}

function bump(bytes: Uint8Array, at: number, by: bigint): void {
  const view = new DataView(bytes.buffer);
  view.setBigUint64(at, view.getBigUint64(at, true) + by, true);
}

function hostileLength(bytes: Uint8Array, map: HeaderMap, random: Random): Uint8Array {
  new DataView(bytes.buffer).setBigUint64(pick(map.wide, random), pick(HOSTILE_WIDE, random), true);
  return bytes;
}

const MUTATORS: Readonly<Record<string, Mutate>> = {
  flipBits(bytes, map, random) {
    for (let flips = 1 + random(8); flips > 0; flips--) bytes[random(map.end)]! ^= 1 << random(8);
    return bytes;
  },
  setBytes(bytes, map, random) {
    for (let count = 1 + random(4); count > 0; count--) bytes[random(map.end)] = random(256);
    return bytes;
  },
  hostileLength,
  nearbyLength(bytes, map, random) {
    bump(bytes, pick(map.wide, random), BigInt(random(33) - 16));
    return bytes;
  },
  twoHostileLengths: (bytes, map, random) =>
    hostileLength(hostileLength(bytes, map, random), map, random),
  swapType(bytes, map, random) {
    const type = random(4) === 0 ? random(2 ** 32) : random(44);
    new DataView(bytes.buffer).setUint32(pick(map.narrow, random), type, true);
    return bytes;
  },
  truncate(bytes, map, random) {
    const at = pick(map.boundaries, random) + random(3) - 1;
    return bytes.slice(0, Math.max(0, at));
  },
  duplicate(bytes, map, random) {
    const isTensor = random(2) === 0;
    const [start, end] = pick(isTensor ? map.tensorEntries : map.entries, random);
    const out = splice(bytes, start, 0, bytes.slice(start, end));
    bump(out, isTensor ? TENSOR_COUNT_AT : ENTRY_COUNT_AT, 1n);
    return out;
  },
  remove(bytes, map, random) {
    const [start, end] = pick([...map.entries, ...map.tensorEntries], random);
    return splice(bytes, start, end - start, new Uint8Array(0));
  },
  moveEntry(bytes, map, random) {
    const entries = [...map.entries, ...map.tensorEntries];
    const [start, end] = pick(entries, random);
    const [target] = pick(entries, random);
    return splice(bytes, target, 0, bytes.slice(start, end));
  },
  insert(bytes, map, random) {
    const added = Uint8Array.from({ length: 1 + random(16) }, () => random(256));
    return splice(bytes, pick(map.boundaries, random), 0, added);
  },
};

/** Notes reads and buffers beyond what the file has; both would be bugs. */
function watchedSource(bytes: Uint8Array): ByteSource & { excess: boolean } {
  const inner = bytesSource(bytes, "fuzz.gguf");
  const source = {
    ...inner,
    excess: false,
    read(offset: number, into: Uint8Array): Promise<void> {
      if (offset + into.byteLength > bytes.byteLength) source.excess = true;
      if (into.buffer.byteLength > bytes.byteLength) source.excess = true;
      return inner.read(offset, into);
    },
  };
  return source;
}

/** What is wrong with how `bytes` were received, or `undefined`. */
async function check(bytes: Uint8Array): Promise<string | undefined> {
  const source = watchedSource(bytes);
  const began = performance.now();
  try {
    const model = await openGguf(source);
    for (const { name, type, shape, offset, byteLength: length } of model.tensors.values()) {
      const values = shape.reduce((product, size) => product * size, 1);
      if (byteLength(type, values) !== length) return `${name} has a wrong length`;
      if (offset + length > bytes.byteLength) return `${name} lies beyond the file`;
    }
  } catch (error) {
    if (!(error instanceof RuntimeError) || !error.code.startsWith("MODEL_")) {
      return `it threw ${String(error)}`;
    }
  }
  if (performance.now() - began > MAX_PARSE_MS) return "it took too long";
  return source.excess ? "it wanted more than the file has" : undefined;
}

function memoryInUse(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test(
  `openGguf survives ${MUTATIONS} mutations of a header (SIROCCO_FUZZ_SEED=${SEED})`,
  { timeout: 1_800_000 },
  async () => {
    expect(await check(SOUND)).toBeUndefined();
    const map = mapHeader(SOUND);
    const random = randomFrom(SEED);
    const before = memoryInUse();
    for (const [name, mutate] of Object.entries(MUTATORS)) {
      const rounds = Math.ceil(MUTATIONS / Object.keys(MUTATORS).length);
      for (let round = 0; round < rounds; round++) {
        const mutated = mutate(SOUND.slice(), map, random);
        const problem = await check(mutated);
        if (problem !== undefined) {
          expect.fail(
            `${problem}: ${name}, round ${round}, seed ${SEED}\n${Buffer.from(mutated).toString("base64")}`,
          );
        }
        if (round % 1000 === 0) expect(memoryInUse() - before).toBeLessThan(MAX_GROWTH_BYTES);
      }
    }
  },
);

test("openGguf refuses a header cut anywhere before its end", async () => {
  const { end } = mapHeader(SOUND);
  for (let length = 0; length < end; length++) {
    const cut = openGguf(bytesSource(SOUND.subarray(0, length)));
    await expect(cut).rejects.toMatchObject({ code: "MODEL_MALFORMED" });
  }
});
