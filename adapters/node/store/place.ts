import { homedir } from "node:os";
import { join } from "node:path";

/** The folders of a store. */
export interface StorePlace {
  readonly root: string;
  /** Files by their digest: `sha256-…`. */
  readonly blobs: string;
  /** What models there are, one JSON file each. */
  readonly manifests: string;
  /** Downloads that are not complete yet. */
  readonly partial: string;
  /** Downloads whose digest was another than the one promised. */
  readonly quarantine: string;
}

/** The user's store: `SIROCCO_STORE`, or where the system keeps a program's data. */
export function storePlace(
  env: Readonly<Record<string, string | undefined>> = process.env,
): StorePlace {
  const root = env["SIROCCO_STORE"] ?? join(dataFolder(env), "sirocco", "models");
  return {
    root,
    blobs: join(root, "blobs"),
    manifests: join(root, "manifests"),
    partial: join(root, "partial"),
    quarantine: join(root, "quarantine"),
  };
}

function dataFolder(env: Readonly<Record<string, string | undefined>>): string {
  if (process.platform === "win32")
    return env["LOCALAPPDATA"] ?? join(homedir(), "AppData", "Local");
  if (process.platform === "darwin") return join(homedir(), "Library", "Application Support");
  return env["XDG_DATA_HOME"] ?? join(homedir(), ".local", "share");
}

/** The path of a blob. */
export function blobPath({ blobs }: StorePlace, sha256: string): string {
  return join(blobs, `sha256-${sha256}`);
}
