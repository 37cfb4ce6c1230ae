// A worker whose model has an adapter beside it, both in its bucket.
import { createWorker, r2Model } from "../../adapters/workerd/mod.ts";

// eslint-disable-next-line import/no-default-export -- workerd's convention
export default createWorker({
  name: "demo",
  open: ({ MODELS }) => r2Model(MODELS, "sirocco-demo.q8_0.gguf"),
  lora: [{ name: "tales", scale: 0.5, open: ({ MODELS }) => r2Model(MODELS, "tales.gguf") }],
});
