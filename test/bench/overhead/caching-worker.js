// The edge worker of the examples with a cache in its memory, for test/bench/overhead.ts.
import { createWorker } from "sirocco/workerd";

// eslint-disable-next-line import/no-default-export -- what workerd looks for
export default createWorker({
  name: "sirocco-demo.q8_0",
  async open({ MODELS }) {
    const object = await MODELS.get("sirocco-demo.q8_0.gguf");
    return object && { body: object.body, size: object.size, version: object.etag };
  },
  cache: () => ({ secret: "only for measurements", stores: [] }),
});
