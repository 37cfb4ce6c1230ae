// An answer cache at the edge, in front of servers with models: keys, limits and answers that were given before
// are here, and what is new is computed by a pool of machines. `wrangler deploy` publishes it.
import {
  createCacheApiStore,
  createEdgeWorker,
  createFlights,
  createKvStore,
} from "sirocco/workerd";

const pool = ({ POOL, POOL_KEY }) => ({
  nodes: POOL.split(",").map((origin, i) => ({ name: `vm-${i + 1}`, origin })),
  key: POOL_KEY,
});

// Where equal requests of all isolates meet.
export const Flights = createFlights({ pool });

export default createEdgeWorker({
  pool,
  flights: ({ FLIGHTS }) => FLIGHTS,
  // The isolate's memory first, then this data centre, then everywhere.
  cache: ({ ANSWERS, CACHE_SECRET }) => ({
    secret: CACHE_SECRET,
    stores: [createCacheApiStore(caches.default), createKvStore(ANSWERS)],
  }),
});
