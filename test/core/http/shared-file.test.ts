import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { browserCode, modelFiles } from "../../../adapters/node/shared-files.ts";
import type { SharedFile } from "../../../core/http/shared-file.ts";
import { bearer, configured, createKeyedApp } from "../../fixtures/keyed-app.ts";
import { createScriptedApp, type ScriptedApp } from "../../fixtures/scripted-app.ts";

const BYTES = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) % 251);
/** Files are read in pieces. */
const PIECE = 300;

/** A file in memory that counts how often it is open. */
function memoryFile(): SharedFile & { open(): number } {
  let open = 0;
  return {
    name: "m.gguf",
    size: BYTES.length,
    type: "application/octet-stream",
    open: () => open,
    async *read(first, count) {
      open++;
      try {
        for (let at = first; at < first + count; at += PIECE) {
          yield BYTES.slice(at, Math.min(at + PIECE, first + count));
          await Promise.resolve();
        }
      } finally {
        open--;
      }
    },
  };
}

function sharing(): ScriptedApp & { readonly file: ReturnType<typeof memoryFile> } {
  const file = memoryFile();
  return { ...createScriptedApp({}, { browserCode: new Map() }, { files: [file] }), file };
}

async function bytesOf(response: Response): Promise<number[]> {
  return [...new Uint8Array(await response.arrayBuffer())];
}

describe("GET /models/<file>", () => {
  test("sends the whole file, and the list of models names it", async () => {
    const { get, served } = sharing();
    const listed = (await (await get("/v1/models")).json()) as { data: { sirocco: object }[] };
    expect(listed.data[0]!.sirocco).toMatchObject({ file: "m.gguf" });
    const response = await get("/models/m.gguf?digest=anything");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-length")).toBe("1000");
    expect(response.headers.get("accept-ranges")).toBe("bytes");
    expect(response.headers.get("etag")).toBe(`"${served.digest}"`);
    expect(await bytesOf(response)).toEqual([...BYTES]);
  });

  test.each([
    ["bytes=0-0", 0, 1],
    ["bytes=10-699", 10, 690],
    ["bytes=990-", 990, 10],
    ["bytes=990-5000", 990, 10],
    ["bytes=-5", 995, 5],
    ["bytes=-5000", 0, 1000],
  ])("sends the range %s", async (range, first, count) => {
    const response = await sharing().get("/models/m.gguf", { headers: { range } });
    expect(response.status).toBe(206);
    const place = `bytes ${first}-${first + count - 1}/1000`;
    expect(response.headers.get("content-range")).toBe(place);
    expect(response.headers.get("content-length")).toBe(String(count));
    expect(await bytesOf(response)).toEqual([...BYTES.subarray(first, first + count)]);
  });

  test.each(["bytes=1000-", "bytes=1000-1001", "bytes=-0"])("refuses %s", async (range) => {
    const response = await sharing().get("/models/m.gguf", { headers: { range } });
    expect(response.status).toBe(416);
    expect(response.headers.get("content-range")).toBe("bytes */1000");
    expect(await bytesOf(response)).toEqual([]);
  });

  test.each(["bytes=5-4", "bytes=-", "bytes=0-1,5-6", "lines=0-1", `bytes=${"9".repeat(16)}-`])(
    "sends all for %s, which is no range that it knows",
    async (range) => {
      const response = await sharing().get("/models/m.gguf", { headers: { range } });
      expect(response.status).toBe(200);
      expect(await bytesOf(response)).toHaveLength(1000);
    },
  );

  test("sends a range of this content only, and nothing of what is known already", async () => {
    const { get, served } = sharing();
    const range = { range: "bytes=0-9" };
    const ask = (headers: Record<string, string>) => get("/models/m.gguf", { headers });
    expect((await ask({ ...range, "if-range": '"another"' })).status).toBe(200);
    expect((await ask({ ...range, "if-range": `"${served.digest}"` })).status).toBe(206);
    expect((await ask({ "if-none-match": `"${served.digest}"` })).status).toBe(304);
    const head = await get("/models/m.gguf", { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe("1000");
    expect(await bytesOf(head)).toEqual([]);
  });

  test.each([
    "/models/other.gguf",
    "/models/..%2fm.gguf",
    "/models/%00",
    "/models/%zz",
    "/models/",
  ])("knows no %s", async (path) => {
    expect((await sharing().get(path)).status).toBe(404);
  });

  test("opens the file when the client reads, and closes it when the client leaves", async () => {
    const { get, file } = sharing();
    const response = await get("/models/m.gguf");
    expect(file.open()).toBe(0);
    const reader = response.body!.getReader();
    await reader.read();
    expect(file.open()).toBe(1);
    await reader.cancel();
    await expect.poll(() => file.open()).toBe(0);
  });

  test("has so many downloads at a time and no more, and closes those whose client reads no more", async () => {
    const { app, file } = (() => {
      const one = memoryFile();
      const deps = { browserCode: new Map(), limits: { stallMs: 30 } };
      return { ...createScriptedApp({}, deps, { files: [one] }), file: one };
    })();
    const ask = () => app.fetch(new Request("http://localhost/models/m.gguf"));
    const readers = [];
    for (let i = 0; i < 16; i++) {
      const reader = (await ask()).body!.getReader();
      await reader.read();
      readers.push(reader);
    }
    expect(file.open()).toBe(16);
    const refused = await ask();
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ error: { code: "queue_full" } });
    await expect.poll(() => file.open()).toBe(0);
    await expect(readers[0]!.read()).rejects.toThrow(/stopped reading/);
    expect((await ask()).status).toBe(200);
  });

  test("is for keys that may ask the model", async () => {
    const keys = [
      await configured("asks"),
      await configured("reads", { scopes: ["metrics"] }),
      await configured("elsewhere", { models: ["another"] }),
    ];
    const { get } = createKeyedApp(keys, {}, { browserCode: new Map() }, { files: [memoryFile()] });
    const status = async (headers = {}) => (await get("/models/m.gguf", { headers })).status;
    expect(await status()).toBe(401);
    expect(await status(bearer("reads"))).toBe(403);
    expect(await status(bearer("elsewhere"))).toBe(403);
    expect(await status(bearer("asks"))).toBe(200);
  });
});

describe("what a browser answers by itself with", () => {
  let code: ReadonlyMap<string, SharedFile>;
  beforeAll(async () => {
    code = await browserCode();
  });

  test("is the package's own program and the packages that the page maps, and nothing else of the disk", async () => {
    expect(code.size).toBeGreaterThan(100);
    for (const path of code.keys())
      expect(path).toMatch(/^(dist|packages)\/[\w@./-]+\.(m?js|wasm)$/);
    const { get } = createScriptedApp({}, { browserCode: code });
    const page = "dist/adapters/browser/answer-here.js";
    const response = await get(`/browser/${page}`);
    expect(response.headers.get("content-type")).toMatch(/^text\/javascript/);
    expect((await response.text()).length).toBe(code.get(page)!.size);
    for (const path of ["dist/../package.json", "package.json", "dist/adapters/node/serve.js"]) {
      expect((await get(`/browser/${path}`)).status, path).toBe(404);
    }
    const map = /<script type="importmap">([^]*?)<\/script>/.exec(await (await get("/")).text());
    const { imports } = JSON.parse(map![1]!) as { imports: Record<string, string> };
    for (const target of Object.values(imports)) {
      const path = target.replace("./browser/", "");
      expect(
        [...code.keys()].some((known) => known.startsWith(path)),
        path,
      ).toBe(true);
    }
  });

  test("has a page that may load modules and share memory; without it there is neither", async () => {
    const shared = await createScriptedApp({}, { browserCode: code }).get("/");
    expect(shared.headers.get("content-security-policy")).toMatch(
      /script-src '[^;]* 'self'; worker-src 'self';/,
    );
    expect(shared.headers.get("cross-origin-embedder-policy")).toBe("require-corp");
    expect(shared.headers.get("cross-origin-opener-policy")).toBe("same-origin");
    const plain = createScriptedApp({}, {}, { files: [memoryFile()] });
    const policy = (await plain.get("/")).headers.get("content-security-policy");
    expect(policy).not.toMatch(/script-src[^;]*'self'|worker-src/);
    expect((await plain.get("/models/m.gguf")).status).toBe(404);
    const keyed = createKeyedApp([await configured("user")]);
    expect((await keyed.get("/browser/dist/core/mod.js")).status).toBe(401);
  });

  test("reads GGUF files only", async () => {
    const demo = new URL("../../../examples/demo-model/sirocco-demo.q8_0.gguf", import.meta.url);
    const [file] = await modelFiles([fileURLToPath(demo)]);
    const pieces = [];
    for await (const piece of file!.read(0, 4)) pieces.push(new TextDecoder().decode(piece));
    expect(pieces).toEqual(["GGUF"]);
    const other = fileURLToPath(new URL("../../../package.json", import.meta.url));
    await expect(modelFiles([other])).rejects.toThrow(/package.json: browsers read GGUF/);
    const whole = fileURLToPath(demo);
    await expect(modelFiles([whole, whole])).rejects.toThrow(/split by name/);
    await expect(modelFiles([])).rejects.toThrow(/URL/);
  });
});
