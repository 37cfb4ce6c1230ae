// The example's worker, but with longer answers and shorter silences: the demo model is so fast that an
// answer would be complete before the example's worker first looks whether its client is still there.
import { createWorker } from "../../adapters/workerd/worker.ts";

// eslint-disable-next-line import/no-default-export -- workerd's convention
export default createWorker({
  name: "sirocco-demo",
  async open({ MODELS }) {
    const object = await MODELS.get("sirocco-demo.q8_0.gguf");
    return object && { body: object.body, size: object.size, version: object.etag };
  },
  room: { contextSize: 2048, kvBytes: 48 * 2 ** 20 },
  limits: { keepAliveMs: 20, wholeKeepAliveMs: 20 },
});
