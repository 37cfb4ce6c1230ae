import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSource, siblingOpener } from "../../../../adapters/node/sources/open-source.ts";
import { openGguf } from "../../../../core/gguf/parse.ts";
import { writeGguf } from "../../../fixtures/gguf-writer.ts";

const folder = mkdtempSync(join(tmpdir(), "sirocco open source-"));
// A blank and a percent sign: the name must survive as a path, as a file URL and as a URL.
const first = join(folder, "my 100%-00001-of-00002.gguf");
let host = "";

const server = createServer((request, response) => {
  const url = new URL(request.url ?? "", "http://host");
  if (url.searchParams.get("token") !== "secret") {
    response.writeHead(403).end();
    return;
  }
  const bytes = readFileSync(join(folder, basename(decodeURIComponent(url.pathname))));
  const last = bytes.length - 1;
  response.writeHead(206, { "content-range": `bytes 0-${last}/${bytes.length}` }).end(bytes);
});

beforeAll(async () => {
  for (const index of [0, 1]) {
    const bytes = writeGguf({
      metadata: { "split.no": index, "split.count": 2, "split.tensors.count": 2 },
      tensors: [{ name: `t${index}`, shape: [1], type: "f32", data: Float32Array.of(index) }],
    });
    writeFileSync(first.replace("00001", `0000${index + 1}`), bytes);
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const LOCAL = { allowHosts: ["127.0.0.1"] };

describe("openSource and siblingOpener", () => {
  test.each([
    ["a path", () => first],
    ["a file: URL", () => pathToFileURL(first)],
    ["a file: URL in a string", () => pathToFileURL(first).href],
    ["a URL", () => `${host}/models/${encodeURIComponent(basename(first))}?token=secret`],
  ] as const)("open a split model by %s", async (_, location) => {
    const model = await openGguf(
      await openSource(location(), LOCAL),
      siblingOpener(location(), LOCAL),
    );
    const tensor = model.tensors.get("t1")!;
    const got = new Float32Array(1);
    await model.read(tensor, 0, new Uint8Array(got.buffer));
    expect(got[0]).toBe(1);
    await model.close();
  });

  test("openSource refuses other schemes", async () => {
    await expect(openSource("s3://bucket/m.gguf")).rejects.toMatchObject({
      code: "MODEL_UNSUPPORTED",
      message: expect.stringContaining("it begins with s3:"),
    });
  });
});
