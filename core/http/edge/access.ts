import { RuntimeError } from "../../errors.ts";
import type { ReadHeaders } from "../arrival.ts";
import { createAllowance, UNLIMITED, type Allowance, type KeyLimits } from "./allowance.ts";
import { digestOf, sameDigest, toDigest } from "./key-hash.ts";

/** What a route needs of a key. `public` needs none: probes, and the page, which holds no data. */
export type Scope = "public" | KeyScope;

/**
 * What a key may do: ask models; have log-probabilities, with which a model's last layer can be computed (Carlini et
 * al. 2024, "Stealing Part of a Production Language Model"); read metrics; change the server; ask in the name of
 * other tenants.
 */
export type KeyScope = "inference" | "logprobs" | "metrics" | "admin" | "relay";

/** Every scope that a key can have. */
export const KEY_SCOPES: readonly KeyScope[] = [
  "inference",
  "logprobs",
  "metrics",
  "admin",
  "relay",
];

/** A key as it is configured: never the key itself. */
export interface ApiKey {
  /** Its name in logs; not secret. */
  readonly id: string;
  /** `sha256:` and 64 hex digits, as `hashKey` writes it. */
  readonly hash: string;
  /** What it may do. */
  readonly scopes: readonly KeyScope[];
  /** Whose requests share a turn in the queue and a cache; the key's id unless given. */
  readonly tenant?: string;
  /** Higher goes first in the queue; 0 unless given. */
  readonly priority?: number;
  /** Ids of the models that it may ask; all unless given. */
  readonly models?: readonly string[];
  /** Absent limits do not apply. */
  readonly limits?: KeyLimits;
}

/** Who sent a request. */
export interface Caller {
  /** The id of its key. */
  readonly id: string;
  /** Whose requests share a turn in the queue and a cache. */
  readonly tenant: string;
  /** Higher goes first in the queue. */
  readonly priority: number;
  /** What it may still use. */
  readonly allowance: Allowance;
  /** Whether it may say whose requests it passes on. */
  readonly relays: boolean;
  /** Throws `MODEL_NOT_ALLOWED` where the key is for other models. */
  checkModel(model: string): void;
  /** Throws `INSUFFICIENT_SCOPE` where the key may not have log-probabilities, for which `param` asks. */
  checkLogprobs(param: string): void;
}

/** Keeps the door: who sends a request, and may they? */
export interface Access {
  /** Whether everybody may do everything, as there is no list of keys. */
  readonly open: boolean;
  /** The caller, where the request may go to a route of this scope. Throws `INVALID_API_KEY`, `INSUFFICIENT_SCOPE`. */
  admit(headers: ReadHeaders, scope: Scope): Caller;
  /** Take other keys from now on. A key whose limits are unchanged keeps what it has used of them. */
  update(keys: readonly ApiKey[] | undefined): void;
}

/** Each request is compared with every key, so that time does not tell which came close: 1000 take 0.1 ms. */
export const MAX_KEYS = 1000;
/** A key of our own has 54 characters; JWT-like ones a few hundred. */
const MAX_KEY_LENGTH = 4096;

/** The caller of a server without keys, and of what is public. */
export const ANYONE: Caller = {
  id: "anyone",
  tenant: "anyone",
  priority: 0,
  allowance: UNLIMITED,
  relays: false,
  checkModel: () => {},
  checkLogprobs: () => {},
};

interface Entry {
  readonly key: ApiKey;
  readonly digest: Uint8Array;
  readonly caller: Caller;
}

/**
 * A door for these keys. Without a list of keys it is open to everybody, with an empty one closed to
 * everybody.
 *
 * @param now Monotonic clock in milliseconds.
 */
export function createAccess(keys: readonly ApiKey[] | undefined, now: () => number): Access {
  let entries = toEntries(keys, [], now);

  return {
    get open() {
      return entries === undefined;
    },
    admit: (headers, scope) =>
      entries === undefined || scope === "public" ? ANYONE : admitKey(headers, scope, entries),
    update(next) {
      entries = toEntries(next, entries ?? [], now);
    },
  };
}

function identify(headers: ReadHeaders, known: readonly Entry[]): Entry {
  const presented = presentedKey(headers);
  if (presented === undefined) {
    throw new RuntimeError(
      "INVALID_API_KEY",
      "This server needs an API key: send 'authorization: Bearer <key>'",
    );
  }
  const digest = digestOf(presented);
  let found: Entry | undefined;
  for (const entry of known) if (sameDigest(entry.digest, digest)) found = entry;
  if (found !== undefined) return found;
  throw new RuntimeError("INVALID_API_KEY", "The API key is not one of this server's");
}

function admitKey(headers: ReadHeaders, scope: KeyScope, known: readonly Entry[]): Caller {
  const { key, caller } = identify(headers, known);
  if (key.scopes.includes(scope)) return caller;
  throw lacksScope(key, scope, "this route");
}

function lacksScope({ id }: ApiKey, scope: KeyScope, what: string, param?: string): RuntimeError {
  return new RuntimeError(
    "INSUFFICIENT_SCOPE",
    `The API key '${id}' has no scope '${scope}', which ${what} needs`,
    param === undefined ? {} : { param },
  );
}

function toEntries(
  keys: readonly ApiKey[] | undefined,
  before: readonly Entry[],
  now: () => number,
): readonly Entry[] | undefined {
  if (keys === undefined) return undefined;
  if (keys.length > MAX_KEYS) throw new RangeError(`${keys.length} keys exceed ${MAX_KEYS}`);
  return keys.map((key) => {
    const old = before.find(({ key: { id } }) => id === key.id);
    const { limits = {}, models, priority = 0, tenant = key.id } = key;
    const unchanged = old !== undefined && sameLimits(old.key.limits ?? {}, limits);
    const allowance = unchanged ? old.caller.allowance : createAllowance(limits, now);
    const checkModel = (model: string): void => {
      if (models === undefined || models.includes(model)) return;
      throw new RuntimeError(
        "MODEL_NOT_ALLOWED",
        `The API key '${key.id}' is not for the model '${model}'`,
        { param: "model" },
      );
    };
    // Whoever passes requests on has asked its own clients for it.
    const reveals = key.scopes.includes("logprobs") || key.scopes.includes("relay");
    const checkLogprobs = (param: string): void => {
      if (!reveals) throw lacksScope(key, "logprobs", `'${param}'`, param);
    };
    return {
      key,
      digest: toDigest(key.hash),
      caller: {
        id: key.id,
        tenant,
        priority,
        allowance,
        relays: key.scopes.includes("relay"),
        checkModel,
        checkLogprobs,
      },
    };
  });
}

function sameLimits(one: KeyLimits, other: KeyLimits): boolean {
  return (
    one.requestsPerMinute === other.requestsPerMinute &&
    one.tokensPerMinute === other.tokensPerMinute
  );
}

/** OpenAI's and Mistral's header, and Anthropic's. */
function presentedKey(headers: ReadHeaders): string | undefined {
  const [, bearer] = /^bearer +(\S+)$/i.exec(headers.get("authorization") ?? "") ?? [];
  const key = bearer ?? headers.get("x-api-key") ?? "";
  return key === "" || key.length > MAX_KEY_LENGTH ? undefined : key;
}
