import { RuntimeError } from "../errors.ts";
import { parseJson } from "../http/wire/json.ts";
import type { Question } from "./pool.ts";
import type { Relay } from "./relay-header.ts";

/** A question on its way to where equal ones meet: what `Pool.answer` needs of it, as JSON. */
export interface FlightQuestion {
  /** Equal for questions whose answers are equal: the flight that it belongs to. */
  readonly key: string;
  readonly path: string;
  /** The client's. */
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly fingerprint: string;
  readonly affinity: string;
  readonly relay: Omit<Relay, "hops" | "model" | "emitted">;
}

/** What is left of a request's time: its own affair, and not of those who wait for the same answer. */
export const TIMEOUT_HEADER = "x-sirocco-timeout-ms";

/** A body and what is told of it: twice what a worker accepts. Who writes it is ours, but its size is a client's. */
const MOST_CHARS = 1024 * 1024;

/** The question as it is sent. The tokens that a client may have and its wishes of caches tell flights apart. */
export function writeQuestion(
  { path, body, fingerprint, affinity, relay }: Question,
  identity: string,
  headers: Readonly<Record<string, string>>,
): string {
  const { [TIMEOUT_HEADER]: _, ...shared } = headers;
  const key = JSON.stringify([identity, relay.most ?? null, shared["cache-control"] ?? null]);
  const question: FlightQuestion = {
    key,
    path,
    body,
    headers: shared,
    fingerprint,
    affinity,
    relay,
  };
  return JSON.stringify(question);
}

/** The question in a text. Throws `INVALID_REQUEST` for what {@linkcode writeQuestion} does not write. */
export function readQuestion(text: string): FlightQuestion {
  if (text.length > MOST_CHARS) throw wrong(`it has ${text.length} characters`);
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw wrong("it is no JSON", cause);
  }
  if (!isRecord(value)) throw wrong("it is no object");
  for (const name of ["key", "path", "body", "fingerprint", "affinity"])
    if (typeof value[name] !== "string") throw wrong(`'${name}' is no text`);
  const { path, headers, relay } = value;
  if (!(path as string).startsWith("/")) throw wrong("'path' is none");
  if (!isRecord(headers) || !Object.values(headers).every((one) => typeof one === "string"))
    throw wrong("'headers' are none");
  if (
    !isRecord(relay) ||
    typeof relay["fingerprint"] !== "string" ||
    typeof relay["seed"] !== "number"
  )
    throw wrong("'relay' is none");
  return value as unknown as FlightQuestion;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(why: string, cause?: unknown): RuntimeError {
  return new RuntimeError("INVALID_REQUEST", `Cannot read the question of an isolate: ${why}`, {
    cause,
  });
}
