import { createFlights as openFlights, type Flights } from "../../core/pool/flights.ts";
import { type EdgeOptions, openPool } from "./edge-parts.ts";
import { tendWithRequests } from "./tend-pool.ts";

/** Who answers what meets here: the same pool that the worker has. */
export type FlightsOptions<Env> = Pick<EdgeOptions<Env>, "log"> & {
  readonly pool: NonNullable<EdgeOptions<Env>["pool"]>;
};

/** A class of Durable Objects, for the worker to export under the name that its binding has. */
export type FlightsClass<Env> = new (
  state: DurableObjectState,
  env: Env,
) => { fetch(request: Request): Promise<Response> };

/**
 * The class of the objects in which equal requests of many isolates meet (`flights` of a worker's options). An
 * object asks the pool and gives every isolate the answer's events. It stores nothing: one that is lost is there
 * again as another, and asks again.
 */
export function createFlights<Env>(options: FlightsOptions<Env>): FlightsClass<Env> {
  return class {
    readonly #env: Env;
    #open: Open | undefined;

    constructor(_state: DurableObjectState, env: Env) {
      this.#env = env;
    }

    async fetch(request: Request): Promise<Response> {
      // In a request: outside of one there is neither randomness nor time.
      this.#open ??= open(options, this.#env);
      const { flights, tend } = this.#open;
      // An object lives as long as anything of it is under way.
      await tend(() => {});
      return await flights.fetch(request);
    }
  };
}

interface Open {
  readonly flights: Flights;
  readonly tend: ReturnType<typeof tendWithRequests>;
}

function open<Env>({ pool, log = () => {} }: FlightsOptions<Env>, env: Env): Open {
  const opened = openPool(pool(env), { log });
  return { flights: openFlights(opened, () => performance.now()), tend: tendWithRequests(opened) };
}
