import { constants } from "node:fs";
import { copyFile, mkdir, open, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { RuntimeError } from "../../../core/errors.ts";
import { openGguf } from "../../../core/gguf/parse.ts";
import { openCheckpoint } from "../../../core/checkpoint/open.ts";
import type { GgufModel } from "../../../core/gguf/gguf.ts";
import { sha256 as sha256Of } from "../digest.ts";
import { quantName } from "../quant-mix.ts";
import type { HttpSourceOptions } from "../sources/http-source.ts";
import { adoptBlob, hasBlob, removeUnused } from "./blob.ts";
import { checkSpace, describeWriteFailure } from "./disk-space.ts";
import type { Hub } from "./hub.ts";
import { writeManifest, type Manifest, type ManifestFile } from "./manifest.ts";
import type { StorePlace } from "./place.ts";
import { planPull, type PlannedFile, type PullPlan } from "./pull-plan.ts";
import { toStored } from "./stored-model.ts";

/** How a model is brought into a store. */
export interface PullOptions extends Pick<
  HttpSourceOptions,
  "allowHosts" | "signal" | "retryDelayMs"
> {
  readonly place: StorePlace;
  readonly hub: Hub;
  /** What it is to be called; by what the source calls it unless given. */
  readonly name?: string;
  /** As for `download`. */
  readonly pieceBytes?: number;
  /** The digest that the one file has to have. */
  readonly sha256?: string;
  /** Told what is going to be brought. */
  readonly onPlan?: (plan: PullPlan) => void;
  /** Told how far a file is, in bytes that came, then in bytes that were checked. */
  readonly onProgress?: (progress: PullProgress) => void;
}

/** How far a file is. */
export interface PullProgress {
  readonly file: string;
  readonly doing: "fetching" | "checking";
  readonly done: number;
  readonly total: number;
  /** Bytes that were there before this try. */
  readonly had: number;
}

/**
 * Bring a model into a store: what is there already is not fetched again, what broke off goes on, every digest is
 * checked, and the model is known only when all of it is there and opens. Rejects with `RuntimeError` of any code that
 * `planPull`, `download` and `adoptBlob` have, and with `ABORTED`.
 */
export async function pull(source: string, options: PullOptions): Promise<Manifest> {
  const { place, hub, allowHosts = [], signal, retryDelayMs, onPlan } = options;
  const remote: HttpSourceOptions = {
    allowHosts,
    ...(signal === undefined ? {} : { signal }),
    ...(retryDelayMs === undefined ? {} : { retryDelayMs }),
  };
  try {
    const plan = withDigest(await planPull(source, hub, remote), options.sha256);
    onPlan?.(plan);
    await checkRoom(plan, place);
    const files: ManifestFile[] = [];
    for (const file of plan.files) files.push(await bring(file, remote, options));
    return await register(source, options.name ?? plan.name, plan.license, files, place);
  } catch (error) {
    if (signal?.aborted === true) {
      throw new RuntimeError("ABORTED", "Pulling was aborted; the next try goes on from here", {
        cause: error,
      });
    }
    throw error;
  }
}

function withDigest(plan: PullPlan, sha256: string | undefined): PullPlan {
  if (sha256 === undefined) return plan;
  if (plan.files.length === 1) return { ...plan, files: [{ ...plan.files[0]!, sha256 }] };
  throw new RuntimeError(
    "UNSUPPORTED_PARAMETER",
    `Cannot check one digest: the model has ${plan.files.length} files`,
  );
}

/** Before anything is fetched, as far as sizes are known. */
async function checkRoom({ name, files }: PullPlan, place: StorePlace): Promise<void> {
  let missing = 0;
  for (const file of files) {
    const { size = 0, sha256 } = file;
    if (sha256 !== undefined && (await hasBlob(place, sha256, size))) continue;
    const partial = await stat(partialPath(place, file)).catch(() => undefined);
    // What lies there has its blocks already, however many pieces of it are sound.
    missing += Math.max(0, size - 512 * (partial?.blocks ?? 0));
  }
  await checkSpace(place.root, missing, name);
}

async function bring(
  file: PlannedFile,
  remote: HttpSourceOptions,
  options: PullOptions,
): Promise<ManifestFile> {
  const { place, onProgress = () => {} } = options;
  const { name, sha256, size } = file;
  if (sha256 !== undefined && size !== undefined && (await hasBlob(place, sha256, size))) {
    return { name, size, sha256 };
  }
  const path = partialPath(place, file);
  await mkdir(place.partial, { recursive: true });
  const unlock = await lock(path);
  try {
    const had = await fetchTo(path, file, remote, options);
    const total = (await stat(path)).size;
    let done = 0;
    const digest = await adoptBlob(place, path, name, file, (count) => {
      done += count;
      onProgress({ file: name, doing: "checking", done, total, had });
    });
    return { name, size: total, sha256: digest };
  } finally {
    await unlock();
  }
}

/** Gives the bytes that were there before. */
async function fetchTo(
  path: string,
  file: PlannedFile,
  remote: HttpSourceOptions,
  { place, pieceBytes, onProgress = () => {} }: PullOptions,
): Promise<number> {
  const { name, from, headers } = file;
  if (typeof from === "string") {
    // Where the file system can, both share their blocks until one is changed.
    await copyFile(from, path, constants.COPYFILE_FICLONE).catch((error: unknown) => {
      throw describeWriteFailure(error, path);
    });
    return 0;
  }
  let total = 0;
  let had = 0;
  let done = 0;
  // The HTTP client takes longer to load than a small model does: copies do without it.
  const { download } = await import("./download.ts");
  await download(from, {
    ...remote,
    ...(pieceBytes === undefined ? {} : { pieceBytes }),
    headers,
    path,
    async onSize(size, have) {
      if (file.size !== undefined && file.size !== size) {
        throw new RuntimeError(
          "MODEL_MALFORMED",
          `Cannot pull ${name}: it has ${size} bytes, ${file.size} were announced`,
        );
      }
      total = size;
      had = have;
      done = have;
      if (file.size === undefined) await checkSpace(place.root, size - have, name);
    },
    onBytes(count) {
      done += count;
      onProgress({ file: name, doing: "fetching", done, total, had });
    },
  });
  return had;
}

/** Where a file is put together: by its digest where that is known, so that it does not matter who has it. */
function partialPath({ partial }: StorePlace, { from, sha256, gitSha1 }: PlannedFile): string {
  const place = typeof from === "string" ? from : `${from.origin}${from.pathname}`;
  return join(partial, sha256Of(sha256 ?? gitSha1 ?? place));
}

/** Keep others from writing the same file. Rejects with `NOT_READY` where somebody does. */
async function lock(path: string): Promise<() => Promise<void>> {
  const file = `${path}.lock`;
  for (let tries = 0; ; tries++) {
    try {
      const handle = await open(file, "wx");
      await handle.writeFile(String(process.pid));
      await handle.close();
      return () => rm(file, { force: true });
    } catch (cause) {
      const owner = Number(await readFile(file, "utf8").catch(() => ""));
      // One that ended without removing it must not keep everybody out.
      if (tries === 0 && !isRunning(owner)) {
        await rm(file, { force: true });
        continue;
      }
      throw new RuntimeError(
        "NOT_READY",
        `Cannot pull: process ${owner} is fetching the same file; if that is not so, remove ${file}`,
        { cause },
      );
    }
  }
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It is somebody else's.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Look into the model, and make it known. */
async function register(
  source: string,
  name: string,
  license: string | undefined,
  files: readonly ManifestFile[],
  place: StorePlace,
): Promise<Manifest> {
  const draft: Manifest = {
    name,
    // Queries carry signatures, and user names passwords.
    source: /^https?:/i.test(source) ? source.replace(/\/\/[^/]*@|[?#].*$/g, "") : source,
    license: license ?? null,
    architecture: "",
    quant: "",
    pulled: new Date().toISOString(),
    files,
  };
  let gguf: GgufModel;
  try {
    const stored = toStored(draft, place);
    gguf =
      stored.main === undefined
        ? await openCheckpoint({ name, open: stored.open })
        : await openGguf(await stored.open(stored.main), stored.open);
  } catch (error) {
    await removeUnused(
      place,
      files.map(({ sha256 }) => sha256),
    );
    throw error;
  }
  const text = (key: string): string | undefined => {
    const value = gguf.metadata.get(key);
    return typeof value === "string" ? value : undefined;
  };
  const manifest = {
    ...draft,
    license: license ?? text("general.license") ?? null,
    architecture: text("general.architecture") ?? "unknown",
    quant: quantName(gguf),
  };
  await gguf.close();
  await writeManifest(place, manifest);
  return manifest;
}
