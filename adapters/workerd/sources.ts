import { RuntimeError } from "../../core/errors.ts";

/** A model's bytes as they come: an object of R2, or what is made of a response of assets or a cache. */
export interface ModelBody {
  /** The bytes of a GGUF file. */
  readonly body: ReadableStream;
  /** Bytes in all. */
  readonly size: number;
  /**
   * What identifies the bytes for whoever keeps them: an ETag, a version. Where it is their SHA-256, in hex, it is
   * taken for that; else they are hashed while they are read.
   */
  readonly version: string;
  /** The bytes from an offset on, where a stream may break off and go on; `null` where they are gone. */
  readonly resume?: (offset: number) => Promise<ReadableStream | null>;
}

/** Times that a stream may break off: a network that fails more often will not do. */
const MAX_RESUMES = 3;

/**
 * An object of an R2 bucket; `null` where there is none. A stream that breaks off goes on by a range request
 * for the rest of the same version.
 */
export async function r2Model(bucket: R2Bucket, key: string): Promise<ModelBody | null> {
  const object = await bucket.get(key);
  if (object === null) return null;
  const { body, size, etag } = object;
  return {
    body,
    size,
    version: etag,
    async resume(offset) {
      const rest = await bucket.get(key, { range: { offset }, onlyIf: { etagMatches: etag } });
      return rest !== null && "body" in rest ? rest.body : null;
    },
  };
}

/**
 * The body of a response: of static assets, or of the Cache API. `null` for a 404. Throws `MODEL_UNSUPPORTED`
 * for another failure and for a body without a length; `size` gives one where the server does not.
 */
export function responseModel(response: Response, size?: number): ModelBody | null {
  const { status, headers, body } = response;
  if (status === 404) return null;
  const length = Number(headers.get("content-length") ?? size ?? NaN);
  if (!response.ok || body === null || !Number.isSafeInteger(length)) {
    throw new RuntimeError(
      "MODEL_UNSUPPORTED",
      `Cannot load the model: its response has status ${status} and length ${length}; a whole body of known length is needed`,
    );
  }
  const version = headers.get("etag") ?? headers.get("last-modified") ?? `${length} bytes`;
  return { body, size: length, version };
}

/**
 * A model by way of a data centre's cache: from there where it is, else from its `origin`, which then is asked
 * once more to fill the cache, through `later`, which outlives the request. No isolate ever holds the body.
 *
 * @param key A URL by which the cache knows it; it need not exist.
 */
export async function cachedModel(
  cache: Cache,
  key: string,
  origin: () => Promise<ModelBody | null>,
  later: (work: Promise<unknown>) => void,
): Promise<ModelBody | null> {
  const found = await cache.match(key);
  if (found !== undefined) return responseModel(found);
  const model = await origin();
  if (model !== null) later(origin().then((copy) => copy && fill(cache, key, copy)));
  return model;
}

async function fill(cache: Cache, key: string, { body, size, version }: ModelBody): Promise<void> {
  const headers = {
    "content-length": `${size}`,
    etag: version,
    "cache-control": "max-age=31536000",
  };
  const { readable, writable } = new FixedLengthStream(size);
  await Promise.all([body.pipeTo(writable), cache.put(key, new Response(readable, { headers }))]);
}

/** The body as one stream that goes on where it breaks off. Fails as the body does where it cannot. */
export function unbroken({ body, size, resume }: ModelBody): ReadableStream<Uint8Array> {
  let reader = (body as ReadableStream<Uint8Array>).getReader();
  let received = 0;
  let resumes = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        const chunk = await reader.read().catch((error: unknown) => ({ error }));
        if (!("error" in chunk)) {
          if (chunk.done) {
            controller.close();
          } else {
            received += chunk.value.byteLength;
            controller.enqueue(chunk.value);
          }
          return;
        }
        const rest = resumes++ < MAX_RESUMES && received < size ? await resume?.(received) : null;
        if (rest === null || rest === undefined) throw chunk.error;
        reader = (rest as ReadableStream<Uint8Array>).getReader();
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
