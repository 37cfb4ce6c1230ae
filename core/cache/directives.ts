/** What a request's `Cache-Control` asks for (RFC 9111 section 5.2.1, RFC 5861). Times in seconds. */
export interface CacheDirectives {
  /** Keep no answer to this request. */
  readonly noStore: boolean;
  /** Answer anew, and keep the answer. */
  readonly noCache: boolean;
  /** Answer from the cache or with 504. */
  readonly onlyIfCached: boolean;
  /** An entry of at most this age. */
  readonly maxAge?: number;
  /** An entry that stays fresh at least so long. */
  readonly minFresh?: number;
  /** An entry that has been stale at most so long. */
  readonly maxStale?: number;
  /** Where computing fails, an entry that has been stale at most so long. */
  readonly staleIfError?: number;
}

/** Nothing asked. */
export const NO_DIRECTIVES: CacheDirectives = {
  noStore: false,
  noCache: false,
  onlyIfCached: false,
};

/** RFC 9111 section 1.2.2: a number that overflows counts as this. */
const LARGEST_SECONDS = 2 ** 31;

/** Between the elements of a list, which may be empty (RFC 9110 section 5.6.1). */
const SEPARATORS = /[\s,]*/y;

/** `name`, `name=token` or `name="quoted"`, RFC 9110 section 5.6. */
const DIRECTIVE =
  /([!#$%&'*+.^_`|~0-9a-z-]+)(?:=([!#$%&'*+.^_`|~0-9a-z-]+|"(?:[^"\\]|\\.)*"))?\s*(?:,|$)/giy;

/**
 * Read a `Cache-Control` field of a request. Directives that nobody knows are passed over, as the RFC
 * wants; where a value makes no sense the directive counts in its strictest sense, so that a client
 * never gets something older than it wished. `Pragma: no-cache` counts where there is no `Cache-Control`.
 */
export function parseDirectives(headers: Headers): CacheDirectives {
  const field = headers.get("cache-control");
  if (field === null) {
    return /\bno-cache\b/i.test(headers.get("pragma") ?? "")
      ? { ...NO_DIRECTIVES, noCache: true }
      : NO_DIRECTIVES;
  }
  const given = new Map<string, string | undefined>();
  for (let at = 0; (at = skipSeparators(field, at)) < field.length; at = DIRECTIVE.lastIndex) {
    DIRECTIVE.lastIndex = at;
    const found = DIRECTIVE.exec(field);
    // What comes after something unreadable is unknown: be strict.
    if (found === null) return { ...NO_DIRECTIVES, noCache: true, noStore: true };
    const name = found[1]!.toLowerCase();
    if (!given.has(name)) given.set(name, found[2]?.replace(/^"(.*)"$/, "$1"));
  }
  const seconds = (name: string, otherwise: number): { readonly value?: number } => {
    if (!given.has(name)) return {};
    const text = given.get(name);
    const value = text !== undefined && /^\d+$/.test(text) ? Number(text) : otherwise;
    return { value: Math.min(value, LARGEST_SECONDS) };
  };
  const maxAge = seconds("max-age", 0).value;
  const minFresh = seconds("min-fresh", LARGEST_SECONDS).value;
  // Without a value it means "however stale".
  const bareMaxStale = given.has("max-stale") && given.get("max-stale") === undefined;
  const maxStale = seconds("max-stale", bareMaxStale ? LARGEST_SECONDS : 0).value;
  const staleIfError = seconds("stale-if-error", 0).value;
  return {
    noStore: given.has("no-store"),
    noCache: given.has("no-cache"),
    onlyIfCached: given.has("only-if-cached"),
    ...(maxAge === undefined ? {} : { maxAge }),
    ...(minFresh === undefined ? {} : { minFresh }),
    ...(maxStale === undefined ? {} : { maxStale }),
    ...(staleIfError === undefined ? {} : { staleIfError }),
  };
}

function skipSeparators(field: string, from: number): number {
  SEPARATORS.lastIndex = from;
  SEPARATORS.test(field);
  return SEPARATORS.lastIndex;
}
