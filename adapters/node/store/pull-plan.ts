/** What a source is made of: files, where their bytes are, and what they have to be. */
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { POOLING_FILE } from "../../../core/checkpoint/open.ts";
import { RuntimeError } from "../../../core/errors.ts";
import type { HttpSourceOptions } from "../sources/http-source.ts";
import type { Expected } from "./blob.ts";
import { openRepository, parseHubPlace, type Hub } from "./hub.ts";
import { pickFiles } from "./pick-files.ts";

/** One file to be brought. */
export interface PlannedFile extends Expected {
  /** Without folders, but where these say what a file is. */
  readonly name: string;
  /** Bytes; `undefined` until a server says. */
  readonly size: number | undefined;
  /** A path, or an address to fetch from. */
  readonly from: string | URL;
  /** Sent with requests for it. */
  readonly headers: Readonly<Record<string, string>>;
}

/** All of a model. */
export interface PullPlan {
  /** What it is called unless the user says otherwise. */
  readonly name: string;
  readonly license: string | undefined;
  readonly files: readonly PlannedFile[];
}

/**
 * Plan what `source` names: `hf:owner/repository[@revision][:quantisation]`, an `http(s):` address of a GGUF file, or
 * a path (or `file:` URL) of one or of a checkpoint's folder. Rejects with `MODEL_NOT_FOUND`, `MODEL_UNSUPPORTED`,
 * `NOT_READY`.
 */
export async function planPull(
  source: string,
  hub: Hub,
  options: HttpSourceOptions,
): Promise<PullPlan> {
  const place = parseHubPlace(source);
  if (place !== undefined) {
    const { repository } = place;
    const { files, license, urlOf } = await openRepository(place, hub, options);
    const picked = pickFiles(repository, files, place.quant);
    return {
      name: picked.quant === undefined ? repository : `${repository}:${picked.quant}`,
      license,
      files: picked.files.map((file) =>
        Object.assign({ name: nameOf(file.path), from: urlOf(file.path) }, file, {
          headers: hub.headers,
        }),
      ),
    };
  }
  if (/^https?:\/\//i.test(source)) return planUrl(new URL(source));
  if (/^[a-z][a-z0-9+.-]+:/i.test(source) && !/^file:\/\//i.test(source)) {
    throw new RuntimeError(
      "MODEL_UNSUPPORTED",
      `Cannot pull ${source}: expected hf:owner/repository[:quantisation], an http: or https: address, or a path`,
    );
  }
  return planPath(/^file:\/\//i.test(source) ? fileURLToPath(source) : source);
}

/** By what other files of the model know one: folders count where they say what a file is. */
function nameOf(path: string): string {
  return path === POOLING_FILE ? path : basename(path);
}

function planUrl(url: URL): PullPlan {
  const first = decodeURIComponent(basename(url.pathname));
  if (!/\.gguf$/i.test(first)) {
    throw new RuntimeError(
      "MODEL_UNSUPPORTED",
      `Cannot pull ${url.origin}${url.pathname}: expected the address of a GGUF file`,
    );
  }
  const files = partNames(first).map((name) => {
    const from = new URL(url);
    // Only the last step of the path changes: a query may carry what grants access.
    if (name !== first)
      from.pathname = from.pathname.replace(/[^/]*$/, () => encodeURIComponent(name));
    return { name, size: undefined, from, headers: {} };
  });
  return { name: modelName(first), license: undefined, files };
}

async function planPath(path: string): Promise<PullPlan> {
  const stats = await stat(path).catch(() => undefined);
  if (stats === undefined) {
    throw new RuntimeError("MODEL_NOT_FOUND", `Cannot pull ${path}: there is no such file`);
  }
  const folder = stats.isDirectory() ? path : dirname(path);
  const names = stats.isDirectory() ? await folderNames(path) : partNames(basename(path));
  const sized = await Promise.all(
    names.map(async (name) => {
      const { size } = await stat(join(folder, name)).catch((cause: unknown) => {
        throw new RuntimeError("MODEL_NOT_FOUND", `Cannot pull ${name}: there is no such file`, {
          cause,
        });
      });
      return { path: name, size };
    }),
  );
  const { files } = pickFiles(path, sized, undefined);
  return {
    name: modelName(basename(resolve(path))),
    license: undefined,
    files: files.map(({ path: name, size }) => ({
      name,
      size,
      from: join(folder, name),
      headers: {},
    })),
  };
}

async function folderNames(path: string): Promise<string[]> {
  const names = await readdir(path);
  return existsSync(join(path, POOLING_FILE)) ? [...names, POOLING_FILE] : names;
}

/** The names of all files of the model whose first file this is. */
function partNames(first: string): readonly string[] {
  const [, stem, count] = /^(.*)-00001-of-(\d{5})\.gguf$/i.exec(first) ?? [];
  if (stem === undefined || count === undefined) return [first];
  return Array.from(
    { length: Number(count) },
    (_, i) => `${stem}-${String(i + 1).padStart(5, "0")}-of-${count}.gguf`,
  );
}

function modelName(file: string): string {
  return file.replace(/(-00001-of-\d{5})?\.gguf$/i, "");
}
