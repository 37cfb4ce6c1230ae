import { createLru } from "../cache/lru.ts";
import type { Exchange } from "./exchange.ts";
import type { FoundModel } from "./found-model.ts";
import type { Asked } from "./wire/asked.ts";
import type { Format, Head } from "./wire/format.ts";

/** What a body was found to ask. */
export interface Recognised<A extends Asked = Asked> {
  readonly asked: A;
  readonly model: FoundModel;
  /** The key of the answer. */
  readonly requestKey: string;
  /** Which kind of request, for `knownReply`. */
  readonly operation: string;
  /** How its answers are written. */
  readonly format: (head: Head) => Format;
}

/** Bodies that were checked before, by their text: parsing one and making its key takes longer than a hit. */
export interface RequestMemo {
  /** What this body asked when it came from the same tenant to the same route, whose requests are `A`. */
  recall<A extends Asked>(from: Sender, body: string): Recognised<A> | undefined;
  keep(from: Sender, body: string, found: Recognised): void;
}

/** Where a request came from, and to. */
type Sender = Pick<Exchange, "caller" | "path">;

/** Bytes of bodies that are remembered; a conversation of a thousand words is 6 KB. */
const MEMO_BYTES = 8 * 1024 * 1024;

/** What a checked request takes beside its text, roughly, relative to the text. */
const PARSED_FACTOR = 2;

interface Known {
  readonly tenant: string;
  readonly path: string;
  readonly found: Recognised;
}

/** An empty memo. Nothing in it outlives the models that it was checked against. */
export function createRequestMemo(models: () => readonly FoundModel[]): RequestMemo {
  // Of two tenants who send the same, the latter is remembered.
  const bodies = createLru<Known>(MEMO_BYTES);
  return {
    recall<A extends Asked>({ caller, path }: Sender, body: string) {
      const known = bodies.get(body);
      if (known?.path !== path || known.tenant !== caller.tenant) return undefined;
      // A path has one route, and a route one kind of request.
      return models().includes(known.found.model) ? (known.found as Recognised<A>) : undefined;
    },
    keep({ caller, path }, body, found) {
      const bytes = 2 * body.length * (1 + PARSED_FACTOR);
      bodies.set(body, { tenant: caller.tenant, path, found }, bytes);
    },
  };
}
