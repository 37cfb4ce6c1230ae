import { RuntimeError } from "../../../core/errors.ts";
import type { ByteSource } from "../../../core/gguf/source.ts";
import { openFileSource } from "../sources/file-source.ts";
import { hasBlob } from "./blob.ts";
import { findManifest, listManifests, type Manifest } from "./manifest.ts";
import { blobPath, storePlace, type StorePlace } from "./place.ts";

/** A model of the store, to be opened. */
export interface StoredModel {
  readonly manifest: Manifest;
  /** The first GGUF file; `undefined` for a checkpoint, whose files are opened by name. */
  readonly main: string | undefined;
  /** Where a file's bytes are; `undefined` where the model has no such file. */
  pathOf(name: string): string | undefined;
  /**
   * Opens a file by the name that others of the model know. Rejects with `MODEL_NOT_FOUND`, and with
   * `MODEL_MALFORMED` where its bytes are not those that were stored.
   */
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
  const files = new Map(manifest.files.map((file) => [file.name, file]));
  const find = (name: string): string | undefined => {
    const file = files.get(name);
    return file === undefined ? undefined : blobPath(place, file.sha256);
  };
  return {
    manifest,
    main: manifest.files
      .map(({ name }) => name)
      .toSorted()
      .find((name) => /\.gguf$/i.test(name)),
    pathOf: find,
    async open(name) {
      const file = files.get(name);
      if (file === undefined) {
        throw new RuntimeError("MODEL_NOT_FOUND", `Cannot open ${name}: ${manifest.name} has none`);
      }
      const path = blobPath(place, file.sha256);
      const source = await openFileSource(path);
      if (!(await hasBlob(place, file.sha256, file.size))) {
        await source.close();
        throw new RuntimeError(
          "MODEL_MALFORMED",
          `Cannot open ${name} of ${manifest.name}: ${path} has other bytes than were stored; pull it again`,
        );
      }
      // The other files of a split model are found by the first one's name.
      return { ...source, name: `${manifest.name}/${name}` };
    },
  };
}
