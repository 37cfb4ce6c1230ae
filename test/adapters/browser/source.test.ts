import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { openModel } from "../../../adapters/browser/source.ts";
import { loadModel } from "../../../core/model/load.ts";
import { CONFIG, littleLlama, TOKENIZER } from "../../fixtures/checkpoint.ts";
import { writeSafetensors } from "../../fixtures/safetensors-writer.ts";
import { tinyModelGguf } from "../../fixtures/tiny-model.ts";

const { gguf, hf } = littleLlama();
const FILES: Readonly<Record<string, string | Uint8Array>> = {
  "/little/config.json": JSON.stringify(CONFIG),
  "/little/tokenizer.json": JSON.stringify(TOKENIZER),
  "/little/model.safetensors": writeSafetensors(hf),
  "/tiny.gguf": tinyModelGguf(1),
};

let server: Server;
let url: string;
beforeAll(async () => {
  // No ranges: a browser reads a model as it comes.
  server = createServer((request, response) => {
    const file = FILES[request.url ?? ""];
    if (file === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "content-length": Buffer.byteLength(file) }).end(file);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

test.each(["/little/", "/little/model.safetensors"])(
  "openModel takes %s for a folder of safetensors, whose weights are read as they come",
  async (path) => {
    const model = await openModel(`${url}${path}`, {});
    expect(model.metadata.get("general.architecture")).toBe("llama");
    expect([...model.tensors.keys()].toSorted()).toEqual([...gguf.keys()].toSorted());
    const limits = { maxRows: 4, maxLogitRows: 1, blocks: 1, blockSize: 16 };
    const loaded = await loadModel(model, createReferenceBackend(), limits);
    expect(loaded.config.layers).toBe(2);
    await model.close();
  },
);

test("openModel takes any other URL, and what the user chose, for a GGUF file", async () => {
  for (const place of [`${url}/tiny.gguf`, new Blob([tinyModelGguf(1)])]) {
    const model = await openModel(place, {});
    expect(model.metadata.get("general.name")).toBe("tiny-1");
    await model.close();
  }
  await expect(openModel(`${url}/none/`, {})).rejects.toMatchObject({ code: "MODEL_MALFORMED" });
});
