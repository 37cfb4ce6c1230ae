import { RuntimeError } from "../../errors.ts";
import { unsupported } from "./check.ts";

/** A known parameter that is served in part or not at all. */
export interface Restriction {
  /** Whether a value asks for nothing that is missing here. */
  accepts(value: unknown): boolean;
  readonly why: string;
}

/** Only this value, which asks for nothing, is accepted. */
export const only = (value: unknown, why: string): Restriction => ({
  accepts: (given) => given === value,
  why,
});
/** No value is accepted. */
export const never = (why: string): Restriction => ({ accepts: () => false, why });

const NO_REASONING = never("this model family has no reasoning settings");
const NO_CACHE_CONTROL = never("prompt caching cannot be controlled");

/** Parameters of OpenAI's and Mistral's APIs that we do not fully serve; `null` is always accepted. */
const RESTRICTIONS: ReadonlyMap<string, Restriction> = new Map<string, Restriction>([
  ["store", only(false, "answers are never stored")],
  ["functions", never("calls are asked for with 'tools'")],
  ["function_call", never("calls are asked for with 'tools' and 'tool_choice'")],
  ["web_search_options", never("nothing is searched for")],
  ["audio", never("only text is served")],
  ["modalities", never("only text is served")],
  ["prediction", never("predicted outputs are not served")],
  ["reasoning_effort", NO_REASONING],
  ["verbosity", NO_REASONING],
  ["prompt_mode", NO_REASONING],
  ["moderation", never("answers are not moderated")],
  ["guardrails", never("answers are not moderated")],
  ["prompt_cache_retention", NO_CACHE_CONTROL],
  ["prompt_cache_options", NO_CACHE_CONTROL],
  ["min_tokens", never("answers have no minimum length")],
]);

/** Parameters that are accepted though they change nothing; the answer names them. */
const IGNORED: readonly string[] = [
  "user",
  "metadata",
  "store",
  "safety_identifier",
  "prompt_cache_key",
  "service_tier",
];

/** What an API has beyond what is served here. */
export interface ScreenRules {
  readonly restrictions: ReadonlyMap<string, Restriction>;
  /** Accepted though they change nothing; the answer names them. */
  readonly ignored: readonly string[];
}

/** OpenAI's completions, and Mistral's. */
export const OPENAI_RULES: ScreenRules = { restrictions: RESTRICTIONS, ignored: IGNORED };

/** What is left of a body once restricted parameters have been dealt with. */
export interface Screened {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly ignored: readonly string[];
}

/**
 * Take the restricted parameters out of a body: no parameter is dropped silently, each is either
 * honoured, named as ignored, or refused. Throws `UNSUPPORTED_PARAMETER`, and `INVALID_REQUEST` where
 * the body is no object.
 */
export function screen(body: unknown, rules: ScreenRules): Screened {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new RuntimeError("INVALID_REQUEST", "Cannot accept the body: expected a JSON object");
  }
  const kept: [string, unknown][] = [];
  for (const [name, value] of Object.entries(body)) {
    const restriction = rules.restrictions.get(name);
    if (restriction === undefined) kept.push([name, value]);
    else if (value !== null && !restriction.accepts(value))
      throw unsupported(name, restriction.why);
  }
  const given = new Map<string, unknown>(Object.entries(body));
  const ignored = rules.ignored.filter((name) => (given.get(name) ?? null) !== null);
  const options = given.get("stream_options");
  if (typeof options === "object" && options !== null && "include_obfuscation" in options) {
    if (options.include_obfuscation === true) ignored.push("stream_options.include_obfuscation");
  }
  return { fields: Object.fromEntries(kept), ignored };
}
