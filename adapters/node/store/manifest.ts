/** What models a store has: one JSON file each, that names blobs. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { RuntimeError } from "../../../core/errors.ts";
import type { StorePlace } from "./place.ts";

/** One model. */
export interface Manifest {
  /** `owner/repository:quantisation`, or what the user calls it. */
  readonly name: string;
  /** Where it came from, as the user gave it. */
  readonly source: string;
  /** What the model is distributed under, where it is said. */
  readonly license: string | null;
  readonly architecture: string;
  readonly quant: string;
  /** ISO 8601. */
  readonly pulled: string;
  readonly files: readonly ManifestFile[];
}

/** One file of a model: a blob, and the name by which others of its files know it. */
export interface ManifestFile {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
}

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(512));

const MANIFEST: v.GenericSchema<unknown, Manifest> = v.object({
  name: text,
  source: v.string(),
  license: v.nullable(v.string()),
  architecture: v.string(),
  quant: v.string(),
  pulled: v.string(),
  files: v.pipe(
    v.array(
      v.object({
        name: text,
        size: v.pipe(v.number(), v.integer(), v.minValue(0)),
        sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
      }),
    ),
    v.minLength(1),
  ),
});

/** All models, by name. Files that are no manifests are passed over: somebody else put them there. */
export async function listManifests({ manifests }: StorePlace): Promise<readonly Manifest[]> {
  const names = await readdir(manifests).catch(() => []);
  const found: Manifest[] = [];
  for (const name of names.filter((entry) => entry.endsWith(".json")).toSorted()) {
    const content = await readFile(join(manifests, name), "utf8").catch(() => "");
    const result = v.safeParse(MANIFEST, toJson(content));
    if (result.success) found.push(result.output);
  }
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function toJson(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

/** Write a manifest aside and rename it, so that nobody reads half of it. */
export async function writeManifest(place: StorePlace, manifest: Manifest): Promise<void> {
  await mkdir(place.manifests, { recursive: true });
  const file = manifestFile(place, manifest.name);
  const aside = `${file}.${process.pid}`;
  await writeFile(aside, `${JSON.stringify(manifest, undefined, 2)}\n`);
  await rename(aside, file);
}

/** Forget a model; its blobs stay. */
export async function removeManifest(place: StorePlace, name: string): Promise<void> {
  await rm(manifestFile(place, name), { force: true });
}

/** A name may hold slashes and colons, a file's must not. */
function manifestFile({ manifests }: StorePlace, name: string): string {
  return join(manifests, `${encodeURIComponent(name)}.json`);
}

/**
 * The model that a user means: by its whole name, or by a part that only one has, `repository:quantisation` or
 * `repository`; capitals do not count. `undefined` where there is none. Throws `MODEL_NOT_FOUND` where several could
 * be meant.
 */
export function findManifest(manifests: readonly Manifest[], wanted: string): Manifest | undefined {
  const lower = wanted.toLowerCase();
  const exact = manifests.find(({ name }) => name === wanted);
  if (exact !== undefined) return exact;
  const meant = manifests.filter(({ name }) => namesOf(name.toLowerCase()).includes(lower));
  const whole = meant.find(({ name }) => name.toLowerCase() === lower);
  if (whole !== undefined || meant.length < 2) return whole ?? meant[0];
  throw new RuntimeError(
    "MODEL_NOT_FOUND",
    `Cannot tell which model ${wanted} is: ${meant.map(({ name }) => name).join(", ")}`,
  );
}

/** By what a model can be called. */
function namesOf(name: string): readonly string[] {
  const [path = "", tag] = name.split(":");
  const short = path.slice(path.lastIndexOf("/") + 1);
  return tag === undefined ? [path, short] : [name, `${short}:${tag}`, path, short];
}
