import { basename, dirname, resolve } from "node:path";

/** What requests call a model that was not given a name: its file's, without `.gguf`, or its folder's. */
export function modelName(location: string): string {
  const isUrl = /^[a-z][a-z0-9+.-]+:\/\//i.test(location);
  // The name of `.` is that of the folder it is.
  const path = isUrl ? new URL(location).pathname : resolve(location);
  const name = basename(path);
  return /\.safetensors(\.index\.json)?$/i.test(name)
    ? basename(dirname(path))
    : name.replace(/\.gguf$/i, "");
}
