// One worker, four places that weights come from: the bucket as it is, the bucket whose streams break off, the
// Cache API in front of it, and static assets. `x-source` chooses, once per isolate.
import { cachedModel, createWorker, r2Model, responseModel } from "../../adapters/workerd/mod.ts";

const KEY = "sirocco-demo.q8_0.gguf";
const BREAKS = { "r2 that breaks": 3, "r2 that breaks for ever": Infinity };
let source = "r2";

/** Streams of `bucket` that fail after so many bytes of the rest, as often as `breaks` says. */
function breaking(bucket, breaks) {
  const cut = (object) => {
    if (object === null || breaks-- <= 0) return object;
    let left = Math.floor(object.size / 8);
    const body = object.body.pipeThrough(
      new TransformStream({
        transform(chunk, controller) {
          if (left <= 0) throw new Error("the network is gone");
          controller.enqueue(chunk.subarray(0, left));
          left -= chunk.byteLength;
        },
      }),
    );
    return { body, size: object.size, etag: object.etag };
  };
  return { get: async (...asked) => cut(await bucket.get(...asked)) };
}

const worker = createWorker({
  name: "sirocco-demo",
  open({ MODELS, ASSETS, SIZE }, later) {
    if (source === "cache") {
      const url = "https://models.invalid/demo.gguf";
      return cachedModel(caches.default, url, () => r2Model(MODELS, KEY), later);
    }
    if (source === "assets") {
      return ASSETS.fetch(`https://assets.invalid/${KEY}`).then((found) =>
        responseModel(found, SIZE),
      );
    }
    const breaks = BREAKS[source];
    return r2Model(breaks === undefined ? MODELS : breaking(MODELS, breaks), KEY);
  },
});

// eslint-disable-next-line import/no-default-export -- workerd's convention
export default {
  async fetch(request, env, context) {
    source = request.headers.get("x-source") ?? source;
    return worker.fetch(request, env, context);
  },
};
