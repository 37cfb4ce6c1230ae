import type { Asked } from "../http/wire/asked.ts";
import type { Json } from "./canonical-json.ts";
import { tokensDigest } from "./scope.ts";

/** What a key is made of beside the request. */
export interface Provenance {
  /** Which kind of request: `chat`, `completion`, … whose answers have shapes of their own. */
  readonly operation: string;
  /** The model's own digest, never its name or an alias: what a name stands for changes. */
  readonly modelDigest: string;
  /** Version of the numerics, kind of backend and type of the cache: `system_fingerprint`. */
  readonly fingerprint: string;
  /** Tokens that prompt and answer may have together: it ends answers that nothing else ends. */
  readonly contextLength: number;
  /** Digest of the policy that answers go through; another policy is another key. */
  readonly policy: string | null;
}

/** The form of the documents below; raised when they change. */
const VERSION = 1;

/**
 * Fields of a checked request that do not change its answer. This is a list of what is left out: a field
 * that nobody thought of makes another key, which costs a miss, and never a wrong answer.
 */
const NOT_IN_KEY: ReadonlySet<string> = new Set([
  // Resolved to a digest.
  "model",
  // How the answer is sent; both ways share an entry.
  "stream",
  "includeUsage",
  // Named in a header and nothing else: user, metadata, service_tier, …
  "ignored",
  // For error messages.
  "promptParam",
  // Says where the seed came from; the seed itself is in the key.
  "seeded",
]);

/** What a request asks for, in one form: the document behind its `m1.` key. */
export function requestDocument(asked: Asked, from: Provenance): Json {
  const { contextLength } = from;
  return { v: VERSION, ...provenance(from), contextLength, asked: essence(asked) };
}

/**
 * The same at the origin, where the prompt's tokens are known: the document behind its `t1.` key.
 * Whatever is spelt differently and gives the same tokens is the same request.
 *
 * @param prompt Its tokens, and the text that the answer begins with.
 * @param maxTokens What the context leaves of what was asked for.
 */
export function tokenDocument(
  asked: Asked,
  from: Provenance,
  prompt: { readonly tokens: readonly number[]; readonly opening?: string },
  maxTokens: number,
): Json {
  const { messages: _, prompts: __, ...rest } = essence(asked);
  return {
    v: VERSION,
    ...provenance(from),
    tokens: tokensDigest(prompt.tokens),
    opening: prompt.opening ?? "",
    asked: { ...rest, maxTokens },
  };
}

function provenance({ operation, modelDigest, fingerprint, policy }: Provenance): {
  [key: string]: Json;
} {
  return { op: operation, model: modelDigest, engine: fingerprint, policy };
}

/** Every field but those of {@linkcode NOT_IN_KEY}, each in one form. */
function essence(asked: Asked): { [key: string]: Json | undefined } {
  const kept: { [key: string]: Json | undefined } = {};
  for (const [name, value] of Object.entries(asked) as [string, Json | undefined][]) {
    if (!NOT_IN_KEY.has(name)) kept[name] = value;
  }
  const { sampling, stop } = asked;
  return {
    ...kept,
    stop: [...new Set(stop)].toSorted(),
    sampling: {
      ...sampling,
      // A greedy choice draws nothing.
      seed: sampling.temperature === 0 ? 0 : sampling.seed,
      logitBias: sampling.logitBias.toSorted(([a], [b]) => a - b),
    },
  };
}

/**
 * Why an answer to this request must not be taken from the cache or kept there; `undefined` where it may.
 * The word goes into `Cache-Status`.
 */
export function whyNotCacheable(asked: Asked): string | undefined {
  if (asked.sampling.temperature > 0 && !asked.seeded) return "sampled";
  // Calls have effects, and ids that occur once.
  if (asked.tools !== undefined) return "tools";
  if (asked.candidates > 1) return "several-choices";
  if ("prompts" in asked && Array.isArray(asked.prompts) && asked.prompts.length > 1)
    return "several-prompts";
  return undefined;
}
