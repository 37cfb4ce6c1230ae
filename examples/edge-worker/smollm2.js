// SmolLM2-135M-Instruct in one Cloudflare Worker of 128 MiB: the weights in the mix that `npm run model:edge`
// makes, the cache in 8 bits. What conversations begin with is computed once and kept in the bucket.
import { createWorker, r2Model } from "sirocco/workerd";

export const SYSTEM_PROMPT =
  "You answer questions about sailing boats in short sentences. You tell beginners to wear a life jacket " +
  "before all else. You name the wind by its direction and by its force, and you prefer metres to feet.";

export default createWorker({
  name: "smollm2",
  open: ({ MODELS }) => r2Model(MODELS, "smollm2.gguf"),
  warm: {
    messages: [{ role: "system", content: SYSTEM_PROMPT }],
    read: async ({ MODELS }) => (await (await MODELS.get("smollm2.kv"))?.arrayBuffer()) ?? null,
    write: ({ MODELS }, snapshot) => MODELS.put("smollm2.kv", snapshot),
  },
  room: { contextSize: 448, kvType: "q8_0", kvBytes: 4 * 2 ** 20 },
});
