import { describe, expect, test } from "vitest";
import { openGguf } from "../../core/gguf/parse.ts";
import { bytesSource } from "../../core/gguf/source.ts";
import { RuntimeError } from "../../core/errors.ts";
import { ByteWriter } from "../fixtures/gguf-writer.ts";

interface Lie {
  readonly sizes?: readonly bigint[];
  readonly offset?: bigint;
  readonly count?: bigint;
  readonly names?: readonly string[];
}

/** Tensors of four values each, unless a field lies. */
function lying({ sizes = [4n], offset = 0n, count, names = ["t"] }: Lie): Uint8Array {
  const out = new ByteWriter();
  out.bytes(new TextEncoder().encode("GGUF"));
  out.u32(3);
  out.u64(count ?? names.length);
  out.u64(0);
  for (const name of names) {
    out.text(name);
    out.u32(sizes.length);
    for (const size of sizes) out.u64(size);
    out.u32(0);
    out.u64(offset);
  }
  out.pad(32);
  out.bytes(new Uint8Array(16));
  return out.finish();
}

/** The code of what opening ends with. */
async function failure(bytes: Uint8Array): Promise<string> {
  try {
    await openGguf(bytesSource(bytes, "hostile.gguf"));
    return "none";
  } catch (error) {
    return RuntimeError.is(error) ? error.code : String(error);
  }
}

describe("01 GGUF: no length is believed (all of it: test/core/gguf/hostile.test.ts)", () => {
  test.each<[string, Lie]>([
    ["a tensor larger than the file (CVE-2026-7482)", { sizes: [1n << 40n] }],
    ["sizes whose product overflows (CVE-2026-27940)", { sizes: [1n << 32n, 1n << 32n] }],
    ["sizes whose product is small modulo 2^64", { sizes: [(1n << 62n) + 1n, 4n] }],
    ["an offset past the end", { offset: 1n << 40n }],
    ["an offset that overflows with the size", { offset: (1n << 64n) - 32n }],
    ["more tensors than the file has bytes", { count: 1n << 60n }],
    ["five dimensions", { sizes: [1n, 1n, 1n, 1n, 1n] }],
    ["two tensors of one name", { names: ["t", "t"] }],
  ])("%s is refused", async (_name, lie) => {
    expect(await failure(lying({}))).toBe("none");
    expect(await failure(lying(lie))).toBe("MODEL_MALFORMED");
  });

  test("a file cut off anywhere in its header is refused, quickly", async () => {
    const whole = lying({ names: Array.from({ length: 200 }, (_, i) => `tensor.${i}`) });
    const begun = performance.now();
    for (let end = 0; end < Math.min(whole.length, 8192); end += 97) {
      expect(await failure(whole.slice(0, end))).toMatch(/^MODEL_/);
    }
    expect(performance.now() - begun).toBeLessThan(5000);
  });
});
