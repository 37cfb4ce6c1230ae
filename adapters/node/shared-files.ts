import { open, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { RuntimeError } from "../../core/errors.ts";
import type { SharedFile } from "../../core/http/shared-file.ts";
import { packageFile } from "./package-root.ts";

/** Parts of `dist/` that the adapter for browsers is made of; nothing there is specific to this server. */
const CODE = [
  "adapters/browser",
  "adapters/node/limits.js",
  "adapters/node/start-on.js",
  "adapters/portable",
  "backends",
  "core",
  "kernels-simd/wasm",
] as const;

/** Packages that it imports, and a module of each, beside which its others lie. The page has a map of them. */
const PACKAGES: Readonly<Record<string, string>> = {
  "@huggingface/jinja": "@huggingface/jinja",
  "@noble/hashes": "@noble/hashes/sha2.js",
  valibot: "valibot",
};

const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
};

/** Bytes read at once. */
const PIECE_BYTES = 2 ** 18;

/**
 * The program with which a browser answers by itself, by the path of each file. The list is made once, so that no
 * path of a request ever reaches the disk.
 */
export async function browserCode(): Promise<ReadonlyMap<string, SharedFile>> {
  const files = new Map<string, SharedFile>();
  const dist = fileURLToPath(packageFile("dist/"));
  for (const part of CODE) await addFiles(files, dist, part, "dist");
  for (const [name, entry] of Object.entries(PACKAGES)) {
    const folder = path.dirname(fileURLToPath(import.meta.resolve(entry)));
    await addFiles(files, folder, "", `packages/${name}`);
  }
  return files;
}

/** The files of `folder/part`, or the file that it is, under `prefix/`. */
async function addFiles(
  files: Map<string, SharedFile>,
  folder: string,
  part: string,
  prefix: string,
): Promise<void> {
  const found = (await stat(path.join(folder, part))).isDirectory()
    ? (await readdir(path.join(folder, part), { recursive: true })).map((name) =>
        path.join(part, name),
      )
    : [part];
  for (const name of found) {
    const type = TYPES[path.extname(name)];
    if (type === undefined) continue;
    const file = await sharedFile(path.join(folder, name), type);
    files.set(`${prefix}/${name.replaceAll(path.sep, "/")}`, file);
  }
}

/**
 * The files of a model for browsers, the first one first. Rejects with `MODEL_UNSUPPORTED` for what they cannot
 * read: they find further files of a split model by their names.
 */
export async function modelFiles(files: readonly string[]): Promise<readonly SharedFile[]> {
  const shared = await Promise.all(
    files.map((file) => sharedFile(file, "application/octet-stream")),
  );
  const [first] = shared;
  if (first === undefined) throw notShared("a model behind a URL");
  if (shared.length > 1 && !FIRST_OF_SEVERAL.test(first.name)) throw notShared(first.name);
  for (const file of shared) if (!(await isGguf(file))) throw notShared(file.name);
  return shared;
}

const FIRST_OF_SEVERAL = /-00001-of-\d{5}\.gguf$/;

async function isGguf(file: SharedFile): Promise<boolean> {
  let magic = "";
  for await (const bytes of file.read(0, Math.min(4, file.size))) {
    magic += new TextDecoder().decode(bytes);
  }
  return magic === "GGUF";
}

function notShared(what: string): RuntimeError {
  return new RuntimeError(
    "MODEL_UNSUPPORTED",
    `Cannot share ${what}: browsers read GGUF files of this machine, whole or split by name`,
  );
}

async function sharedFile(file: string, type: string): Promise<SharedFile> {
  const { size, mtimeMs } = await stat(file);
  return {
    name: path.basename(file),
    size,
    type,
    async *read(first, count) {
      if (count === 0) return;
      const handle = await open(file);
      try {
        const now = await handle.stat();
        // What it is sent as, a digest or a version, was told of the bytes that it had.
        if (now.size !== size || now.mtimeMs !== mtimeMs) throw hasChanged(file);
        let sent = 0;
        while (sent < count) {
          const piece = new Uint8Array(Math.min(PIECE_BYTES, count - sent));
          const { bytesRead } = await handle.read(piece, 0, piece.byteLength, first + sent);
          if (bytesRead === 0) throw hasChanged(file);
          yield piece.subarray(0, bytesRead);
          sent += bytesRead;
        }
      } finally {
        await handle.close();
      }
    },
  };
}

function hasChanged(file: string): RuntimeError {
  return new RuntimeError(
    "MODEL_MALFORMED",
    `Cannot send ${path.basename(file)}: it has changed since the server began; start anew`,
  );
}
