import { createLru } from "../cache/lru.ts";
import type { ServedModel } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import type { Asked } from "./wire/asked.ts";

/** What a body was found to ask. */
export interface Recognised<A extends Asked = Asked> {
  readonly asked: A;
  readonly model: ServedModel;
  /** The key of the answer. */
  readonly requestKey: string;
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

/** An empty memo. Nothing in it outlives the models that it was checked against. */
export function createRequestMemo(models: () => readonly ServedModel[]): RequestMemo {
  const known = createLru<Recognised>(MEMO_BYTES);
  return {
    recall<A extends Asked>(from: Sender, body: string) {
      const found = known.get(name(from, body));
      // A path has one route, and a route one kind of request.
      return found !== undefined && models().includes(found.model)
        ? (found as Recognised<A>)
        : undefined;
    },
    keep(from, body, found) {
      known.set(name(from, body), found, 2 * body.length * (1 + PARSED_FACTOR));
    },
  };
}

/** The parts before the body have no line breaks. */
function name({ caller, path }: Sender, body: string): string {
  return `${encodeURIComponent(caller.tenant)}\n${path}\n${body}`;
}
