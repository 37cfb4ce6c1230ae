// A language model in one Cloudflare Worker: its weights come from an R2 bucket, straight into
// WebAssembly memory. `wrangler deploy` publishes it; wrangler.jsonc names the bucket.
import { createWorker } from "sirocco/workerd";

export default createWorker({
  name: "sirocco-demo",
  async open({ MODELS }) {
    const object = await MODELS.get("sirocco-demo.q8_0.gguf");
    return object && { body: object.body, size: object.size, version: object.etag };
  },
});
