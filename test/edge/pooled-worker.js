// A worker with a model that asks a pool while it loads and when it is busy, and keeps answers.
import { createCacheApiStore, createWorker } from "sirocco/workerd";

const WORKER = createWorker({
  name: "sirocco-demo.q8_0",
  async open({ MODELS }) {
    const object = await MODELS.get("sirocco-demo.q8_0.gguf");
    return object && { body: object.body, size: object.size, version: object.etag };
  },
  pool: ({ POOL }) => ({ nodes: [{ name: "vm", origin: POOL }] }),
  cache: () => ({
    secret: "a secret of this worker",
    stores: [createCacheApiStore(caches.default)],
  }),
});

// eslint-disable-next-line import/no-default-export -- workerd's convention
export default WORKER;
