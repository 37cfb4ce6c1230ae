import type { MeetingPlaces } from "../../core/pool/coalesced-pool.ts";

/**
 * Objects to a worker: each may be asked some hundred times a second, and is on one machine of the platform; more
 * of them would be cold more often.
 */
const OBJECTS = 16;

/** Durable Objects as places where equal questions meet, each for a share of the keys. */
export function meetingPlaces(namespace: DurableObjectNamespace): MeetingPlaces {
  return {
    count: OBJECTS,
    at(index) {
      const id = namespace.idFromName(`flights-${index}`);
      // Anew each time: one that has broken stays broken.
      return async (url, init) => await namespace.get(id).fetch(url, init);
    },
  };
}
