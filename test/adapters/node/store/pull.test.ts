import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { download } from "../../../../adapters/node/store/download.ts";
import {
  findManifest,
  listManifests,
  type Manifest,
} from "../../../../adapters/node/store/manifest.ts";
import { blobPath, storePlace, type StorePlace } from "../../../../adapters/node/store/place.ts";
import { pull, type PullOptions } from "../../../../adapters/node/store/pull.ts";
import { findStored } from "../../../../adapters/node/store/stored-model.ts";
import { openGguf } from "../../../../core/gguf/parse.ts";
import { CONFIG, littleLlama, TOKENIZER } from "../../../fixtures/checkpoint.ts";
import { sendRange, startLocalHub, type LocalHub } from "../../../fixtures/local-hub.ts";
import { writeSafetensors } from "../../../fixtures/safetensors-writer.ts";
import { tinyModelGguf } from "../../../fixtures/tiny-model.ts";

const PIECE = 32 * 1024;
const model = tinyModelGguf(1, { metadata: { "general.license": "MIT" } });
const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

let hub: LocalHub;
let place: StorePlace;
beforeEach(async () => {
  hub = await startLocalHub();
  place = storePlace({ SIROCCO_STORE: await mkdtemp(join(tmpdir(), "store-")) });
  hub.files.set("model-Q4_K_M.gguf", model);
  hub.files.set("model-Q8_0.gguf", tinyModelGguf(2));
});
afterEach(async () => {
  hub.close();
  await rm(place.root, { recursive: true, force: true });
});

function bring(source = "hf:owner/model", options: Partial<PullOptions> = {}): Promise<Manifest> {
  return pull(source, {
    place,
    hub: { endpoint: hub.endpoint, headers: { authorization: "Bearer secret" } },
    allowHosts: ["127.0.0.1", "localhost"],
    retryDelayMs: 5,
    pieceBytes: PIECE,
    ...options,
  });
}

/** What lies in a folder of the store; nothing where there is none. */
const inside = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

test("pull brings the quantisation that people want, by several ranges, checked and named", async () => {
  const progress: number[] = [];
  const manifest = await bring("hf:owner/model", {
    onProgress: ({ done, total }) => progress.push(done / total),
  });
  expect(manifest).toMatchObject({
    name: "owner/model:q4_k_m",
    license: "apache-2.0",
    architecture: "llama",
    files: [{ name: "model-Q4_K_M.gguf", size: model.byteLength, sha256: digest(model) }],
  });
  expect(new Uint8Array(await readFile(blobPath(place, digest(model))))).toEqual(model);
  const ranges = new Set(hub.storageSeen.map(({ range }) => range));
  expect(ranges.size).toBe(Math.ceil(model.byteLength / PIECE) + 1);
  expect(progress.at(-1)).toBe(1);
  expect(await inside(place.partial)).toEqual([]);

  const stored = await findStored("model:q4_k_m", place);
  const gguf = await openGguf(await stored!.open(stored!.main!), stored!.open);
  expect(gguf.metadata.get("general.name")).toBe("tiny-1");
  await gguf.close();

  const before = hub.storageSeen.length;
  await bring();
  expect(hub.storageSeen).toHaveLength(before);
});

test("pull sends credentials to the hub, and to no other host that it redirects to", async () => {
  await bring("hf:owner/model:q8_0");
  expect(hub.hubSeen.every(({ authorization }) => authorization === "Bearer secret")).toBe(true);
  expect(hub.storageSeen.length).toBeGreaterThan(1);
  expect(hub.storageSeen.map(({ authorization }) => authorization)).toEqual(
    hub.storageSeen.map(() => undefined),
  );
  expect(JSON.stringify(await listManifests(place))).not.toContain("secret");
});

test("pull puts a file with the wrong digest aside and does not know the model", async () => {
  hub.lies.set("model-Q4_K_M.gguf", { sha256: "0".repeat(64) });
  await expect(bring()).rejects.toMatchObject({
    code: "MODEL_MALFORMED",
    message: expect.stringContaining("0".repeat(64)),
  });
  expect(await inside(place.quarantine)).toEqual([`sha256-${digest(model)}`]);
  expect(await inside(place.blobs)).toEqual([]);
  expect(await listManifests(place)).toEqual([]);
  hub.lies.clear();
  expect((await bring()).files).toHaveLength(1);
});

test("pull checks files that Git keeps by the name that Git gives them", async () => {
  hub.files.clear();
  const { hf } = littleLlama();
  hub.files.set("config.json", new TextEncoder().encode(JSON.stringify(CONFIG)));
  hub.files.set("tokenizer.json", new TextEncoder().encode(JSON.stringify(TOKENIZER)));
  hub.files.set("model.safetensors", writeSafetensors(hf));
  hub.files.set("original/consolidated.safetensors", new Uint8Array(8));
  hub.spoil = (request, response, bytes) => {
    if (!request.url!.startsWith("/config")) return false;
    sendRange(
      request,
      response,
      bytes.map((byte) => (byte === 0x22 ? 0x27 : byte)),
      hub.etag,
    );
    return true;
  };
  await expect(bring()).rejects.toMatchObject({ code: "MODEL_MALFORMED" });
  hub.spoil = undefined;
  const manifest = await bring();
  expect(manifest).toMatchObject({ name: "owner/model", architecture: "llama", quant: "f16" });
  expect(manifest.files.map(({ name }) => name)).not.toContain("consolidated.safetensors");
});

test("pull goes on where a body broke off, within a try and after one that was given up", async () => {
  let bodies = 0;
  hub.spoil = (request, response, bytes) => {
    const [, from] = /^bytes=(\d+)-/.exec(request.headers.range ?? "") ?? [];
    // Every first answer to a piece breaks in the middle; the one at 3 pieces never comes.
    if (Number(from) >= 3 * PIECE && Number(from) < 4 * PIECE) {
      response.destroy();
      return true;
    }
    if (Number(from) % PIECE !== 0 || request.headers.range === "bytes=0-0") return false;
    bodies++;
    const end = Math.min(Number(from) + PIECE, bytes.byteLength);
    response.writeHead(206, {
      "content-range": `bytes ${from}-${end - 1}/${bytes.byteLength}`,
      "content-length": end - Number(from),
      etag: hub.etag!,
    });
    response.write(bytes.subarray(Number(from), Number(from) + 1000), () => response.destroy());
    return true;
  };
  await expect(bring()).rejects.toMatchObject({ code: "NOT_READY" });
  expect(bodies).toBeGreaterThan(2);
  expect((await inside(place.partial)).length).toBeGreaterThan(0);

  hub.spoil = undefined;
  hub.storageSeen.length = 0;
  const manifest = await bring();
  expect(manifest.files[0]!.sha256).toBe(digest(model));
  const all = Math.ceil(model.byteLength / PIECE);
  expect(hub.storageSeen.length).toBeLessThan(all);
});

test("pull begins anew where the file on the server is another one", async () => {
  hub.spoil = (request, response) => {
    const [, from] = /^bytes=(\d+)-/.exec(request.headers.range ?? "") ?? [];
    if (Number(from) < 4 * PIECE) return false;
    response.destroy();
    return true;
  };
  await expect(bring()).rejects.toMatchObject({ code: "NOT_READY" });
  hub.spoil = undefined;
  hub.etag = '"two"';
  hub.storageSeen.length = 0;
  await bring();
  expect(hub.storageSeen.length).toBe(Math.ceil(model.byteLength / PIECE) + 1);
});

test("pull refuses a file that changes while it is fetched", async () => {
  hub.spoil = (request, response, bytes) => {
    const [, from] = /^bytes=(\d+)-/.exec(request.headers.range ?? "") ?? [];
    sendRange(request, response, bytes, Number(from) > PIECE ? '"other"' : '"one"');
    return true;
  };
  await expect(bring()).rejects.toMatchObject({ code: "MODEL_MALFORMED" });
});

test("pull takes a whole body from a server without ranges, and again where it is short", async () => {
  let tries = 0;
  hub.spoil = (request, response, bytes) => {
    if (request.headers.range !== undefined || ++tries > 1) {
      response.writeHead(200, { "content-length": bytes.byteLength }).end(bytes);
      return true;
    }
    response.writeHead(200, { "content-length": bytes.byteLength });
    response.write(bytes.subarray(0, 5000), () => response.destroy());
    return true;
  };
  const manifest = await bring();
  expect(manifest.files[0]!.sha256).toBe(digest(model));
  expect(tries).toBe(2);
});

test("pull refuses what does not fit on the disk before it fetches anything", async () => {
  hub.lies.set("model-Q4_K_M.gguf", { size: 2 ** 50 });
  await expect(bring()).rejects.toMatchObject({ code: "INSUFFICIENT_RESOURCES" });
  expect(hub.storageSeen).toEqual([]);
});

test.skipIf(!existsSync("/dev/full"))("download tells of a disk that fills up", async () => {
  await expect(
    download(`${hub.storage}/model-Q4_K_M.gguf`, {
      allowHosts: ["localhost"],
      path: "/dev/full",
      onSize: () => Promise.resolve(),
      onBytes: () => undefined,
    }),
  ).rejects.toMatchObject({ code: "INSUFFICIENT_RESOURCES" });
});

test("pull leads nowhere private: not by its address, not by a redirection", async () => {
  await expect(bring("hf:owner/model", { allowHosts: [] })).rejects.toMatchObject({
    code: "MODEL_UNSUPPORTED",
  });
  hub.redirect = () => "http://169.254.169.254/latest/meta-data";
  await expect(bring()).rejects.toMatchObject({
    code: "MODEL_UNSUPPORTED",
    message: expect.stringContaining("169.254.169.254"),
  });
  await expect(bring("http://[::ffff:127.0.0.1]/m.gguf")).rejects.toMatchObject({
    code: "MODEL_UNSUPPORTED",
  });
});

test("pull tells of names that do not resolve, of hubs that lack the model, and of sources that are none", async () => {
  await expect(bring("https://nowhere.invalid/m.gguf")).rejects.toMatchObject({
    code: "NOT_READY",
  });
  await expect(bring("hf:owner/other")).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
  await expect(bring("hf:owner/model:q2_k")).rejects.toThrow(/there are q4_k_m, q8_0/);
  await expect(bring("ftp://host/m.gguf")).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
  await expect(bring("hf:owner/..")).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
  await expect(bring(join(place.root, "none.gguf"))).rejects.toMatchObject({
    code: "MODEL_NOT_FOUND",
  });
});

test("pull keeps nothing of a file that is no model", async () => {
  hub.files.set("model-Q4_K_M.gguf", new Uint8Array(1000));
  await expect(bring()).rejects.toMatchObject({ code: "MODEL_MALFORMED" });
  expect(await inside(place.blobs)).toEqual([]);
});

test("pull ends by its signal, says so, and leaves what it has for the next try", async () => {
  const controller = new AbortController();
  const pulling = bring("hf:owner/model", {
    signal: controller.signal,
    onProgress: () => controller.abort(),
  });
  await expect(pulling).rejects.toMatchObject({ code: "ABORTED" });
  expect((await bring()).files[0]!.sha256).toBe(digest(model));
});

test("pull keeps two from writing the same file, unless the other one is gone", async () => {
  const [file] = await (async () => {
    hub.spoil = (_request, response) => {
      response.destroy();
      return true;
    };
    await bring().catch(() => undefined);
    hub.spoil = undefined;
    return [join(place.partial, createHash("sha256").update(digest(model)).digest("hex"))];
  })();
  await writeFile(`${file}.lock`, String(process.pid));
  await expect(bring()).rejects.toThrow(new RegExp(`process ${process.pid}`));
  await writeFile(`${file}.lock`, "999999999");
  expect((await bring()).name).toBe("owner/model:q4_k_m");
});

test("F7: a blob that has other bytes by now is not opened, and pulled again", async () => {
  await bring();
  const blob = blobPath(place, digest(model));
  const spoilt = model.slice();
  spoilt[spoilt.length - 1]! ^= 1;
  const opens = async (): Promise<void> => {
    const stored = await findStored("model:q4_k_m", place);
    await (await stored!.open(stored!.main!)).close();
  };
  await opens();
  for (const bytes of [spoilt, model.subarray(0, 1000)]) {
    await writeFile(blob, bytes);
    await expect(opens()).rejects.toMatchObject({
      code: "MODEL_MALFORMED",
      message: expect.stringContaining("pull it again"),
    });
    await bring();
    expect(new Uint8Array(await readFile(blob))).toEqual(model);
    await opens();
  }
  // Nor is one that leads elsewhere, however right its bytes are.
  const elsewhere = join(place.root, "elsewhere");
  await rename(blob, elsewhere);
  await symlink(elsewhere, blob);
  await expect(opens()).rejects.toMatchObject({ code: "MODEL_MALFORMED" });
});

test("pull copies a file of this machine and checks the digest that it was promised", async () => {
  const path = join(place.root, "mine.gguf");
  await writeFile(path, model);
  const manifest = await bring(path, { sha256: digest(model) });
  expect(manifest).toMatchObject({ name: "mine", license: "MIT" });
  expect(existsSync(path)).toBe(true);
  await expect(bring(path, { sha256: "1".repeat(64) })).rejects.toMatchObject({
    code: "MODEL_MALFORMED",
  });
});

function named(name: string): Manifest {
  const nothing = { source: "", license: null, quant: "", pulled: "", files: [] };
  return { name, architecture: "llama", ...nothing };
}

test("findManifest knows a model by the part of its name that only it has", () => {
  const all = ["owner/Model:q4_0", "owner/Model:q8_0", "owner/other:q4_0", "mine"].map(named);
  const found = (name: string): string | undefined => findManifest(all, name)?.name;
  expect(found("owner/model:Q4_0")).toBe("owner/Model:q4_0");
  expect(found("model:q8_0")).toBe("owner/Model:q8_0");
  expect(found("other")).toBe("owner/other:q4_0");
  expect(found("mine")).toBe("mine");
  expect(found("q4_0")).toBeUndefined();
  expect(() => found("model")).toThrow(/owner\/Model:q4_0, owner\/Model:q8_0/);
});
