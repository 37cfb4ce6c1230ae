import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { RuntimeError } from "../../../core/errors.ts";
import type { OpenSibling } from "../../../core/gguf/parse.ts";
import type { ByteSource } from "../../../core/gguf/source.ts";
import { openFileSource } from "./file-source.ts";
import type { HttpSourceOptions } from "./http-source.ts";

/**
 * A source over what `location` names: a path, a `file:` URL, or an `http(s):` URL, to which `options`
 * apply. Rejects with `MODEL_UNSUPPORTED` for other schemes.
 */
export async function openSource(
  location: string | URL,
  options?: HttpSourceOptions,
): Promise<ByteSource> {
  const place = toPlace(location);
  return typeof place === "string" ? openFileSource(place) : fetchSource(place, options);
}

/** Opens files beside `location` by their names, as the second argument of `openGguf` needs it. */
export function siblingOpener(location: string | URL, options?: HttpSourceOptions): OpenSibling {
  return async (name) => {
    const place = toPlace(location);
    if (typeof place === "string") return openFileSource(join(dirname(place), name));
    const sibling = new URL(place);
    // Only the last step of the path changes: a query may carry what grants access.
    sibling.pathname = sibling.pathname.replace(/[^/]*$/, () => name);
    return fetchSource(sibling, options);
  };
}

/** The HTTP client takes longer to load than a small model does: files do without it. */
async function fetchSource(url: URL, options?: HttpSourceOptions): Promise<ByteSource> {
  const { openHttpSource } = await import("./http-source.ts");
  return openHttpSource(url, options);
}

/** A path, or a URL to fetch; `C:\model.gguf` is a path. */
function toPlace(location: string | URL): string | URL {
  const text = String(location);
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return text;
  if (scheme === "file") return fileURLToPath(text);
  if (scheme === "http" || scheme === "https") return new URL(text);
  throw new RuntimeError(
    "MODEL_UNSUPPORTED",
    `Cannot open ${text}: it begins with ${scheme}:, expected a path or an http:, https: or file: URL`,
  );
}
