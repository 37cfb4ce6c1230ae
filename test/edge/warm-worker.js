// A worker whose conversations begin with the same system prompt, kept between isolates in its bucket. `/gc`
// collects garbage where V8 was told to let it.
import { createWorker, r2Model } from "../../adapters/workerd/mod.ts";

const WORKER = createWorker({
  name: "model",
  open: ({ MODELS, OPTIONS }) => r2Model(MODELS, OPTIONS.file),
  // A worker without one never looks.
  warm: {
    messages: [{ role: "system", content: systemPrompt() }],
    read: async ({ MODELS, OPTIONS }) =>
      OPTIONS.warm ? ((await MODELS.get("model.kv"))?.arrayBuffer() ?? null) : null,
    write: ({ MODELS, OPTIONS }, snapshot) =>
      OPTIONS.warm ? MODELS.put("model.kv", snapshot) : Promise.resolve(),
  },
  room: { contextSize: 448, kvType: "q8_0", kvBytes: 4 * 2 ** 20 },
});

function systemPrompt() {
  const rules = [
    "You answer questions about sailing boats in short sentences.",
    "You never give medical advice, and you say so when you are asked.",
    "You name the wind by its direction and by its force.",
    "You prefer metres to feet, and knots to kilometres per hour.",
    "You tell beginners to wear a life jacket before all else.",
  ];
  return rules.join(" ");
}

// eslint-disable-next-line import/no-default-export -- workerd's convention
export default {
  async fetch(request, env, context) {
    if (new URL(request.url).pathname !== "/gc") return WORKER.fetch(request, env, context);
    // What the first one finalises, the second one frees.
    globalThis.gc();
    globalThis.gc();
    return new Response("collected");
  },
};
