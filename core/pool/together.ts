import { createLeases, type Leases } from "./leases.ts";

/** Which node computes what, so that equal requests meet where they are computed once. */
export interface Together {
  /** The node that has an equal request now, or had one a moment ago. */
  whereIs(identity: string): string | undefined;
  /** Equal requests under way. */
  count(identity: string): number;
  /** A request goes to `node`, until the result is called. */
  join(identity: string, node: string): () => void;
}

/** So long after its answer a node is still the one that has it at hand, before others can read it in a store. */
const AFTER_MS = 5000;

/** Places that are remembered; those that were used least lately are forgotten. */
const MOST_PLACES = 1000;

interface Place {
  readonly node: string;
  readonly leases: Leases;
  usedAt: number;
}

/** Nothing is being computed. `now` and `longestMs` as in {@linkcode createLeases}. */
export function createTogether(now: () => number, longestMs: number): Together {
  // In the order of use.
  const places = new Map<string, Place>();

  function use(identity: string, place: Place): void {
    place.usedAt = now();
    places.delete(identity);
    places.set(identity, place);
    if (places.size <= MOST_PLACES) return;
    const [oldest] = places.keys();
    if (oldest !== undefined) places.delete(oldest);
  }

  return {
    whereIs(identity) {
      const place = places.get(identity);
      if (place === undefined) return undefined;
      if (place.leases.count > 0 || now() - place.usedAt < AFTER_MS) return place.node;
      places.delete(identity);
      return undefined;
    },
    count: (identity) => places.get(identity)?.leases.count ?? 0,
    join(identity, node) {
      const known = places.get(identity);
      const place =
        known?.node === node
          ? known
          : { node, leases: createLeases(now, longestMs), usedAt: now() };
      use(identity, place);
      const end = place.leases.take();
      return () => {
        end();
        if (places.get(identity) === place) use(identity, place);
      };
    },
  };
}
