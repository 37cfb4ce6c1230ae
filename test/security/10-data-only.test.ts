import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { listManifests, type Manifest } from "../../adapters/node/store/manifest.ts";
import { storePlace } from "../../adapters/node/store/place.ts";
import { findStored } from "../../adapters/node/store/stored-model.ts";
import { openCheckpoint } from "../../core/checkpoint/open.ts";
import { bytesSource } from "../../core/gguf/source.ts";
import { openGguf } from "../../core/gguf/parse.ts";
import { CONFIG, littleLlama, TOKENIZER } from "../fixtures/checkpoint.ts";
import { memoryFolder } from "../fixtures/memory-folder.ts";
import { writeSafetensors } from "../fixtures/safetensors-writer.ts";
import { createScriptedApp } from "../fixtures/scripted-app.ts";
import { tinyModelGguf } from "../fixtures/tiny-model.ts";

const SAFETENSORS = writeSafetensors(littleLlama().hf);

/** Everything that other programs would run. */
const PLANTED = {
  auto_map: { AutoModelForCausalLM: "modeling_evil.EvilModel" },
  trust_remote_code: true,
  model_file: "evil.js",
  custom_pipelines: { x: { impl: "evil.Pipeline" } },
  quantization_config: { load_in_4bit: true, _load_in_4bit: "evil" },
};

describe("10 a model is data: nothing of it is run, and nothing beside it is opened", () => {
  test("keys that name code are passed over, and only files of a model are asked for", async () => {
    const asked: string[] = [];
    const { quantization_config: _, ...planted } = PLANTED;
    const folder = memoryFolder({
      "config.json": JSON.stringify({ ...CONFIG, ...planted }).replace(
        "{",
        '{"__proto__": {"polluted": 1}, ',
      ),
      "model.safetensors": SAFETENSORS,
      "tokenizer.json": TOKENIZER,
      "modeling_evil.py": "raise SystemExit",
      "evil.js": "process.exit(1)",
    });
    const watched = {
      ...folder,
      open: (name: string) => {
        asked.push(name);
        return folder.open(name);
      },
    };
    const model = await openCheckpoint(watched);
    await model.close();
    expect(asked.length).toBeGreaterThan(2);
    for (const name of asked)
      expect(name).toMatch(
        /^[\w.-]+\.(json|safetensors|model|txt|md|jinja)$|^1_Pooling\/config\.json$/,
      );
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test.each([
    "../secret.safetensors",
    "/etc/passwd",
    "a/../../b.safetensors",
    "..\\x.safetensors",
    "\0.safetensors",
  ])("weights are in files of the folder, not in %j", async (name) => {
    const asked: string[] = [];
    const folder = memoryFolder({
      "config.json": CONFIG,
      "tokenizer.json": TOKENIZER,
      "model.safetensors.index.json": { weight_map: { "model.norm.weight": name } },
    });
    const opening = openCheckpoint({
      ...folder,
      open: (one) => {
        asked.push(one);
        return folder.open(one);
      },
    });
    await expect(opening).rejects.toMatchObject({ code: "MODEL_MALFORMED" });
    expect(asked).not.toContain(name);
  });
});

const manifest = (sha256: string): Manifest => ({
  name: "evil",
  source: "",
  license: null,
  architecture: "",
  quant: "",
  pulled: "",
  files: [{ name: "model.gguf", size: 1, sha256 }],
});

describe("11 names lead nowhere outside of the store (more: test/adapters/node/store)", () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "store-"));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  test.each([
    "../../../etc/passwd",
    `../${"a".repeat(61)}`,
    "%2e%2e%2fetc%2fpasswd",
    `${"a".repeat(63)}\0`,
    `${"a".repeat(64)}/../../x`,
    "A".repeat(64),
    "",
  ])("a manifest that names the blob %j is none", async (sha256) => {
    const place = storePlace({ SIROCCO_STORE: root });
    await mkdir(place.manifests, { recursive: true });
    await writeFile(join(place.manifests, "evil.json"), JSON.stringify(manifest(sha256)));
    expect(await listManifests(place)).toEqual([]);
    expect(await findStored("evil", place)).toBeUndefined();
  });

  test.each(["../../etc/passwd", "/etc/passwd", "..", ".", "a\0b"])(
    "%j is no model of the store",
    async (name) => {
      expect(await findStored(name, storePlace({ SIROCCO_STORE: root }))).toBeUndefined();
    },
  );
});

describe("12 nothing is unpacked", () => {
  test("a model in an archive is no model", async () => {
    const model = tinyModelGguf(1);
    const archives = [
      gzipSync(model),
      new TextEncoder().encode("PK\u0003\u0004"),
      new Uint8Array(1000),
    ];
    for (const bytes of archives) {
      const opening = openGguf(bytesSource(new Uint8Array(bytes), "model.gguf"));
      await expect(opening).rejects.toMatchObject({ code: "MODEL_MALFORMED" });
    }
  });

  test("a body that is compressed is 415", async () => {
    const { app } = createScriptedApp({ reply: "x" });
    const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] });
    for (const encoding of ["gzip", "br", "deflate", "zstd", "identity, gzip"]) {
      const headers = { "content-type": "application/json", "content-encoding": encoding };
      const url = "http://localhost/v1/chat/completions";
      const response = await app.fetch(
        new Request(url, { method: "POST", body: new Uint8Array(gzipSync(body)), headers }),
      );
      expect(response.status, encoding).toBe(415);
    }
  });
});
