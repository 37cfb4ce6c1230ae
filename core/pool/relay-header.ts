import { RuntimeError } from "../errors.ts";
import { readTokens, writeTokens } from "./tokens-text.ts";

/**
 * The header of a request that one server of ours passes on to another. The body and the path are the
 * client's; this says what they do not. The answer then comes as events (`relayed-events.ts`).
 */
export const RELAY_HEADER = "x-sirocco-relay";

/** What a relayed request says beside the client's own words. */
export interface Relay {
  /** How often it has been passed on; one that was is never passed on again. */
  readonly hops: number;
  /** The model as the receiver calls it, whatever the body says. */
  readonly model: string;
  /** `system_fingerprint` that the answer has to have: of these weights and this arithmetic. */
  readonly fingerprint: string;
  /** The seed, which the client may not have given: with it every node gives the same answer. */
  readonly seed: number;
  /** Tokens that the answer may have at most, beside what the body says. */
  readonly most?: number;
  /**
   * Tokens of the answer that another node had generated before it was lost: the answer goes on behind them. Whoever
   * says so could say anything, so that an answer with them is never kept nor shared.
   */
  readonly emitted?: readonly number[];
  /** Whose request it is; believed only from a key with the scope `relay`. */
  readonly tenant?: string;
}

/** A request is passed on once: from the edge to the pool. */
export const MOST_HOPS = 1;

/** Tokens that are sent along: two or three bytes each, and servers take 16 KiB of headers. What is over is computed again. */
export const MOST_EMITTED = 2000;

/** Longer values are none of ours: an id of a model, the name of a tenant, and tokens. */
const LONGEST = 12_000;

const FIELD = /^(hops|model|fingerprint|seed|most|tenant|emitted)=([\w.~%!*'()-]{1,10000})$/;

/** The value of {@linkcode RELAY_HEADER}. */
export function writeRelay(relay: Relay): string {
  const { emitted, ...rest } = relay;
  const fields = Object.entries(rest).filter(([, value]) => value !== undefined);
  if (emitted !== undefined) fields.push(["emitted", writeTokens(emitted)]);
  return fields.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join(";");
}

/**
 * What the header says; `undefined` where there is none. Throws `RELAY_LOOP` for a request that has been
 * passed on more often than once, and `INVALID_REQUEST` for what we did not write.
 */
export function readRelay(headers: Headers): Relay | undefined {
  const text = headers.get(RELAY_HEADER);
  if (text === null) return undefined;
  const fields = new Map<string, string>();
  for (const part of text.length > LONGEST ? [] : text.split(";")) {
    const [, name, value] = FIELD.exec(part.trim()) ?? [];
    if (name !== undefined && value !== undefined) fields.set(name, unescape(value));
  }
  const hops = numberIn(fields, "hops", 1);
  if (hops !== undefined && hops > MOST_HOPS) throw relayLoop();
  const seed = numberIn(fields, "seed", 0);
  const most = numberIn(fields, "most", 1);
  const model = fields.get("model");
  const fingerprint = fields.get("fingerprint");
  const tenant = fields.get("tenant");
  const emitted = fields.has("emitted") ? readTokens(fields.get("emitted") ?? "") : undefined;
  if (hops === undefined || seed === undefined || seed >= 2 ** 32 || !model || !fingerprint) {
    throw new RuntimeError("INVALID_REQUEST", `Cannot read ${RELAY_HEADER}: it is not ours`, {
      param: RELAY_HEADER,
    });
  }
  return {
    hops,
    model,
    fingerprint,
    seed,
    ...(most === undefined ? {} : { most }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(emitted === undefined ? {} : { emitted }),
  };
}

/** A request that was passed on and cannot be answered here. */
export function relayLoop(): RuntimeError {
  return new RuntimeError(
    "RELAY_LOOP",
    "Cannot pass this request on: it has been passed on before; two servers name one another as their pool",
  );
}

function numberIn(
  fields: ReadonlyMap<string, string>,
  name: string,
  least: number,
): number | undefined {
  const text = fields.get(name) ?? "";
  const value = /^\d{1,15}$/.test(text) ? Number(text) : -1;
  return value >= least ? value : undefined;
}

function unescape(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return "";
  }
}
