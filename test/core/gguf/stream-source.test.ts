import { describe, expect, test } from "vitest";
import { openGguf } from "../../../core/gguf/parse.ts";
import { bytesSource } from "../../../core/gguf/source.ts";
import { streamSource } from "../../../core/gguf/stream-source.ts";
import { tinyModelGguf } from "../../fixtures/tiny-model.ts";

function streamOf(bytes: Uint8Array, chunk: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.byteLength) return controller.close();
      controller.enqueue(bytes.slice(at, at + chunk));
      at += chunk;
    },
  });
}

/** `length` bytes of which no two neighbourhoods are equal. */
function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7) & 0xff);
}

describe("streamSource", () => {
  test.each([1000, 65_536, 10_000_000])(
    "serves a model's header and tensors in order from chunks of %i bytes",
    async (chunk) => {
      const bytes = tinyModelGguf(5);
      const model = await openGguf(
        streamSource(streamOf(bytes, chunk), bytes.byteLength, "stream"),
      );
      const expected = await openGguf(bytesSource(bytes));
      expect([...model.tensors]).toEqual([...expected.tensors]);
      for (const tensor of model.tensors.values()) {
        const got = new Uint8Array(tensor.byteLength);
        // In two reads, as a loader with a staging buffer would.
        const middle = got.byteLength >> 1;
        await model.read(tensor, 0, got.subarray(0, middle));
        await model.read(tensor, middle, got.subarray(middle));
        expect(got).toEqual(bytes.subarray(tensor.offset, tensor.offset + got.byteLength));
      }
      await model.close();
    },
  );

  test("remembers by what was read, whatever the size of the chunk that it came in", async () => {
    const bytes = pattern(3_000_000);
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes.slice(0, 100_000));
        controller.enqueue(bytes.slice(100_000));
        controller.close();
      },
    });
    const source = streamSource(stream, bytes.byteLength, "stream");
    await source.read(0, new Uint8Array(200_000));
    const got = new Uint8Array(100);
    await source.read(50_000, got);
    expect(got).toEqual(bytes.subarray(50_000, 50_100));
  });

  test("reads that are started together are served in order", async () => {
    const bytes = pattern(5000);
    const source = streamSource(streamOf(bytes, 700), bytes.byteLength, "stream");
    const parts = [0, 1, 2, 3, 4].map(() => new Uint8Array(1000));
    await Promise.all(parts.map((part, i) => source.read(i * 1000, part)));
    for (const [i, part] of parts.entries()) {
      expect(part).toEqual(bytes.subarray(i * 1000, (i + 1) * 1000));
    }
  });

  test("goes back over what a reader looked ahead, but not to what is forgotten", async () => {
    const bytes = pattern(4_000_000);
    const source = streamSource(streamOf(bytes, 100_000), bytes.byteLength, "stream");
    const got = new Uint8Array(10);
    await source.read(2_000_000, got);
    await source.read(1_200_000, got);
    expect(got).toEqual(bytes.subarray(1_200_000, 1_200_010));
    await expect(source.read(0, got)).rejects.toMatchObject({
      code: "MODEL_UNSUPPORTED",
      message: expect.stringContaining("only goes forward"),
    });
    // A refused read does not spoil the next one.
    await source.read(3_999_990, got);
    expect(got).toEqual(bytes.subarray(3_999_990));
  });

  test("refuses a stream that is shorter or longer than announced, and reads beyond it", async () => {
    const short = streamSource(streamOf(pattern(100), 40), 200, "stream");
    await expect(short.read(90, new Uint8Array(20))).rejects.toMatchObject({
      code: "MODEL_MALFORMED",
      message: expect.stringContaining("ended at byte 100 of 200"),
    });
    const long = streamSource(streamOf(pattern(100), 100), 60, "stream");
    await expect(long.read(0, new Uint8Array(20))).rejects.toThrow(/longer than the 60/);
    const source = streamSource(streamOf(pattern(100), 40), 100, "stream");
    await expect(source.read(90, new Uint8Array(20))).rejects.toMatchObject({
      code: "MODEL_MALFORMED",
    });
  });

  test("close cancels the stream", async () => {
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      cancel() {
        cancelled = true;
      },
    });
    await streamSource(stream, 10, "stream").close();
    expect(cancelled).toBe(true);
  });
});
