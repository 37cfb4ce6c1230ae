import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { ModelFolder } from "../../../core/checkpoint/folder.ts";
import type { HttpSourceOptions } from "./http-source.ts";
import { siblingOpener } from "./open-source.ts";

/** Files of a checkpoint that stand for the folder they lie in. */
const PART = /[^/\\]+\.safetensors(?:\.index\.json)?$|(?<=^|[/\\])config\.json$/i;

/**
 * The folder of a checkpoint that `location` names, by itself or by a file of weights in it: a path, a `file:` URL,
 * or an `http(s):` URL, which has to end with a slash or name such a file. `undefined` for any other place.
 */
export async function openFolder(
  location: string,
  options?: HttpSourceOptions,
): Promise<ModelFolder | undefined> {
  if (/^https?:\/\//i.test(location)) {
    const { origin, pathname } = new URL(location);
    if (!pathname.endsWith("/") && !PART.test(pathname)) return undefined;
    return {
      name: `${origin}${pathname.replace(/[^/]*$/, "")}`,
      open: siblingOpener(location, options),
    };
  }
  const path = /^file:\/\//i.test(location) ? fileURLToPath(location) : location;
  const isFolder = await stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isFolder && !PART.test(path)) return undefined;
  const folder = isFolder ? path : dirname(path);
  return { name: folder, open: siblingOpener(isFolder ? `${path}/.` : path) };
}
