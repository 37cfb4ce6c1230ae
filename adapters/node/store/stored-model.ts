import { RuntimeError } from "../../../core/errors.ts";
import type { ByteSource } from "../../../core/gguf/source.ts";
import { openFileSource } from "../sources/file-source.ts";
import { findManifest, listManifests, type Manifest } from "./manifest.ts";
import { blobPath, storePlace, type StorePlace } from "./place.ts";

/** A model of the store, to be opened. */
export interface StoredModel {
  readonly manifest: Manifest;
  /** The first GGUF file; `undefined` for a checkpoint, whose files are opened by name. */
  readonly main: string | undefined;
  /** Where a file's bytes are; `undefined` where the model has no such file. */
  pathOf(name: string): string | undefined;
  /** Opens a file by the name that others of the model know. Rejects with `MODEL_NOT_FOUND`. */
  readonly open: (name: string) => Promise<ByteSource>;
}

/** The model of the store that a name means; `undefined` where there is none. Rejects as `findManifest` throws. */
export async function findStored(
  name: string,
  place: StorePlace = storePlace(),
): Promise<StoredModel | undefined> {
  const manifest = findManifest(await listManifests(place), name);
  return manifest === undefined ? undefined : toStored(manifest, place);
}

/** A model as its manifest has it. */
export function toStored(manifest: Manifest, place: StorePlace): StoredModel {
  const digests = new Map(manifest.files.map(({ name, sha256 }) => [name, sha256]));
  const find = (name: string): string | undefined => {
    const sha256 = digests.get(name);
    return sha256 === undefined ? undefined : blobPath(place, sha256);
  };
  return {
    manifest,
    main: manifest.files
      .map(({ name }) => name)
      .toSorted()
      .find((name) => /\.gguf$/i.test(name)),
    pathOf: find,
    async open(name) {
      const path = find(name);
      if (path === undefined) {
        throw new RuntimeError("MODEL_NOT_FOUND", `Cannot open ${name}: ${manifest.name} has none`);
      }
      const source = await openFileSource(path);
      // The other files of a split model are found by the first one's name.
      return { ...source, name: `${manifest.name}/${name}` };
    },
  };
}
