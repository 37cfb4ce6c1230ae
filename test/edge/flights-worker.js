// A front without a model whose isolates meet in objects, and objects that can be made to fail.
import { createEdgeWorker, createFlights } from "sirocco/workerd";

const pool = ({ POOL }) => ({ nodes: [{ name: "vm", origin: POOL }] });

/** Longer than any test. */
const FROZEN_MS = 60_000;

const Sound = createFlights({ pool });

export class Flights extends Sound {
  #state;
  #frozen = false;
  #fuse = false;

  constructor(state, env) {
    super(state, env);
    this.#state = state;
  }

  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/fuse") this.#fuse = true;
    if (pathname === "/freeze") this.#frozen = true;
    if (pathname === "/thaw") this.#frozen = false;
    if (pathname !== "/answer") return new Response("done");
    if (this.#frozen) await new Promise((resolve) => setTimeout(resolve, FROZEN_MS));
    const response = await super.fetch(request);
    return this.#fuse ? this.#dieIn(response) : response;
  }

  /** Die in the middle of an answer: the next object knows of nothing. */
  #dieIn({ body, headers }) {
    let pieces = 0;
    const fuse = new TransformStream({
      transform: (piece, controller) => {
        if (++pieces > 10) this.#state.abort("told to");
        controller.enqueue(piece);
      },
    });
    return new Response(body.pipeThrough(fuse), { headers });
  }
}

const FRONT = createEdgeWorker({
  pool,
  cache: () => ({ secret: "a secret of these fronts", stores: [] }),
  flights: ({ FLIGHTS }) => FLIGHTS,
});

const WORKER = {
  async fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    const [, what] = /^\/objects(\/\w+)$/.exec(pathname) ?? [];
    if (what === undefined) return await FRONT.fetch(request, env, context);
    const all = Array.from({ length: 16 }, (_, i) =>
      env.FLIGHTS.get(env.FLIGHTS.idFromName(`flights-${i}`)).fetch(`https://flights${what}`),
    );
    await Promise.allSettled(all);
    return new Response("done");
  },
};

// eslint-disable-next-line import/no-default-export -- workerd's convention
export default WORKER;
