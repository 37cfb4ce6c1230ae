import { openCheckpoint } from "../../core/checkpoint/open.ts";
import type { GgufModel } from "../../core/gguf/gguf.ts";
import { openGguf, type OpenSibling } from "../../core/gguf/parse.ts";
import type { ByteSource } from "../../core/gguf/source.ts";
import { checkRange } from "../../core/gguf/source.ts";
import { fetchSource } from "../portable/fetch-source.ts";

/** Sent with requests for a model. */
type Headers = Readonly<Record<string, string>>;

/** Where downloaded models are kept, in the browser's Cache storage. */
const CACHE_NAME = "sirocco-models";

/** What a checkpoint's URL ends with: a slash, or a file of weights. */
const CHECKPOINT = /\/$|\.safetensors(?:\.index\.json)?$/i;

/** Open what `model` names: a GGUF file, or by its URL a folder with weights in safetensors. */
export async function openModel(model: string | Blob, headers: Headers): Promise<GgufModel> {
  const openSibling = siblingOpener(model, headers);
  if (typeof model === "string" && openSibling !== undefined) {
    const { origin, pathname } = new URL(model);
    if (CHECKPOINT.test(pathname)) {
      const name = `${origin}${pathname.replace(/[^/]*$/, "")}`;
      return openCheckpoint({ name, open: openSibling });
    }
  }
  return openGguf(await openSource(model, headers), openSibling);
}

/** A source over what `model` names. A model that was fetched before comes from the browser's cache. */
function openSource(model: string | Blob, headers: Headers): Promise<ByteSource> {
  if (typeof model === "string") return fetchSource(new URL(model), cachedFetch(headers));
  return Promise.resolve(blobSource(model));
}

/** Opens the further files of a split model by their names, beside the first. */
function siblingOpener(model: string | Blob, headers: Headers): OpenSibling | undefined {
  if (typeof model !== "string") return undefined;
  return (name) => {
    const sibling = new URL(model);
    sibling.pathname = sibling.pathname.replace(/[^/]*$/, () => name);
    return fetchSource(sibling, cachedFetch(headers));
  };
}

/** A file that the user chose: read in place, a piece at a time. */
function blobSource(blob: Blob): ByteSource {
  const source: ByteSource = {
    size: blob.size,
    name: "name" in blob ? String(blob.name) : "blob",
    async read(offset, into) {
      checkRange(source, offset, into.byteLength);
      const piece = blob.slice(offset, offset + into.byteLength);
      into.set(new Uint8Array(await piece.arrayBuffer()));
    },
    close: () => Promise.resolve(),
  };
  return source;
}

/**
 * Fetch a file, or take it from the cache. It is stored while it is read; a cache that cannot be used
 * (private windows, no room, no secure context) costs a download and nothing else.
 */
function cachedFetch(headers: Headers): (url: URL) => Promise<Response> {
  return async (url) => {
    const cache = await openCache();
    const known = await cache?.match(url).catch(() => undefined);
    if (known !== undefined) return known;
    const response = await fetch(url, { headers });
    if (response.ok && cache !== undefined) {
      cache.put(url, response.clone()).catch(() => undefined);
    }
    return response;
  };
}

async function openCache(): Promise<Cache | undefined> {
  if (!("caches" in globalThis)) return undefined;
  try {
    return await caches.open(CACHE_NAME);
  } catch {
    return undefined;
  }
}
