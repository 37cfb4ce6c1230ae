import { RuntimeError } from "../errors.ts";
import { relayLoop, type Relay } from "../pool/relay-header.ts";
import { RELAYED_TYPE, type RelayedLine } from "../pool/relayed-events.ts";
import { recordAnswer, type Recording } from "../receipt/recording.ts";
import type { Engine } from "../engine/engine.ts";
import type { TurnEvent } from "../tools/events.ts";
import type { AnswerJob } from "./answering.ts";
import type { HttpLimits, ServedModel } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import { toFailure } from "./failure.ts";
import type { Route } from "./pipeline.ts";
import type { Asked } from "./wire/asked.ts";
import type { Format, Head } from "./wire/format.ts";
import { NDJSON, type Framing } from "./wire/framing.ts";

/*
 * A request that another server of ours has passed on is answered with the answer's events, whatever its API:
 * whoever passed it on writes them as the client wants them, keeps them, and goes on elsewhere if this server
 * dies in the middle.
 */

/** So often a silent answer says that it is still coming; whoever waits gives up after three of them. */
const KEEP_ALIVE_MS = 1000;

const FRAMING: Framing = {
  ...NDJSON,
  headers: { ...NDJSON.headers, "content-type": RELAYED_TYPE },
};

/** The same route, with the request as it was meant where it arrived, and with answers as events. */
export function relayedRoute<A extends Asked>(route: Route<A>, relay: Relay): Route<A> {
  const tap = createTap();
  return {
    ...route,
    form: "events",
    parse: (body) => relayedRequest(route.parse(body), relay),
    format: (head) => createEventsFormat(head, tap),
    relayed: {
      watch: (model) => tap.watch(model),
      goOn(relays) {
        const { emitted } = relay;
        if (emitted === undefined) return undefined;
        tap.behind = emitted.length;
        // Whoever may pass requests on let it in before.
        return { emitted, admitted: relays };
      },
    },
  };
}

/** How a request that was passed on is computed, where it is one answer to one prompt. */
export interface RelayedComputing {
  /** To be asked in the model's place: the tokens that it generates go along with the events. */
  watch(model: ServedModel): ServedModel;
  /** What another node had generated; `relays`: whether the caller may pass requests on. */
  goOn(relays: boolean): Pick<AnswerJob, "emitted" | "admitted"> | undefined;
}

/** Tokens on their way past. */
interface Tap {
  /** Tokens that the answer goes on behind. */
  behind: number;
  watch(model: ServedModel): ServedModel;
  /** Those since the last call; `undefined` where nobody watched. */
  take(): readonly number[] | undefined;
}

function createTap(): Tap {
  let recording: Recording | undefined;
  let taken = 0;
  return {
    behind: 0,
    watch(model) {
      const { engine } = recordAnswer(model.engine, false);
      const watched: Engine = {
        ...engine,
        get info() {
          return engine.info;
        },
        generate(request) {
          // Where it is computed again the same tokens come: those that were taken are passed over.
          recording = recordAnswer(model.engine, false);
          return recording.engine.generate(request);
        },
      };
      return { ...model, engine: watched };
    },
    take() {
      const fresh = recording?.tokens.slice(taken);
      taken += fresh?.length ?? 0;
      return fresh;
    },
  };
}

/** The request with the seed that it was given where it arrived, as a stream, and no longer than allowed there. */
function relayedRequest<A extends Asked>(asked: A, { seed, most }: Relay): A {
  const maxTokens = most === undefined ? asked.maxTokens : Math.min(asked.maxTokens ?? most, most);
  return { ...asked, maxTokens, stream: true, sampling: { ...asked.sampling, seed } };
}

/** Throws `MODEL_MISMATCH` where an answer of this server would not be the one that was asked for. */
export function checkFingerprint({ fingerprint, model }: Relay, own: string): void {
  if (fingerprint === own) return;
  throw new RuntimeError(
    "MODEL_MISMATCH",
    `Cannot answer for ${fingerprint}: '${model}' is ${own} here, whose answer may differ`,
  );
}

/** Throws `RELAY_LOOP`: what is not here could only be passed on again. */
export function checkIsHere(relay: Relay | undefined): void {
  if (relay !== undefined) throw relayLoop();
}

/** Limits of a request that was passed on. */
export function relayedLimits(limits: HttpLimits): HttpLimits {
  return { ...limits, keepAliveMs: Math.min(limits.keepAliveMs, KEEP_ALIVE_MS) };
}

/** An error before the first byte, for whoever passed the request on: they write it as the client's API does. */
export function refuseRelayed(error: unknown, exchange: Exchange): Response {
  exchange.fail(error);
  const { status, body, headers } = toFailure(error);
  return Response.json(body, { status, headers });
}

const one = (line: RelayedLine): readonly RelayedLine[] => [line];

function createEventsFormat(head: Head, tap: Tap): Format {
  const told = (choice: number, event: TurnEvent): readonly RelayedLine[] => {
    const ids = tap.take();
    return one(ids === undefined ? { choice, event } : { choice, event, ids });
  };
  return {
    framing: FRAMING,
    opening: () => one(tap.behind === 0 ? { head } : { head, behind: tap.behind }),
    text: (event, choice) => told(choice, event),
    toolCall: (event, choice) => told(choice, event),
    finish: (event, choice) => told(choice, event),
    closing: () => one({ end: true }),
    failed: ({ status, body }) => ({ failed: { status, ...body.error } }) satisfies RelayedLine,
    whole: (choices) => ({ head, choices }),
  };
}
