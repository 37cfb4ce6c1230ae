// The worker of the example, whose kernels trap when a request to `/trap?calls=N` says so: in their N-th call from
// then on, by being given arguments that lie beyond their memory.
import { createWorker } from "../../adapters/workerd/mod.ts";

let left = Infinity;
const { instantiate } = WebAssembly;
WebAssembly.instantiate = async (module, imports) => {
  const { exports } = await instantiate(module, imports);
  const wrapped = Object.entries(exports).map(([name, kernel]) => [
    name,
    typeof kernel === "function"
      ? (at, first, last) => kernel(--left === 0 ? -64 : at, first, last)
      : kernel,
  ]);
  return { exports: Object.fromEntries(wrapped) };
};

const WORKER = createWorker({
  name: "sirocco-demo",
  async open({ MODELS }) {
    const object = await MODELS.get("sirocco-demo.q8_0.gguf");
    return object && { body: object.body, size: object.size, version: object.etag };
  },
});

// eslint-disable-next-line import/no-default-export -- workerd's convention
export default {
  async fetch(request, env, context) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== "/trap") return WORKER.fetch(request, env, context);
    left = Number(searchParams.get("calls"));
    return new Response("soon");
  },
};
