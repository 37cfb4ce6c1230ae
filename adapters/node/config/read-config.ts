import { readFile } from "node:fs/promises";
import * as v from "valibot";
import type { HttpLimits } from "../../../core/http/deps.ts";
import type { ApiKey } from "../../../core/http/edge/access.ts";
import { parseJson } from "../../../core/http/wire/json.ts";
import { CONFIG_SCHEMA, type ConfigFile } from "./schema.ts";

/** What is wrong with a configuration, with the path of the field. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Names that would reach an object's prototype. */
const RESERVED: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** The configuration in a file. Rejects with {@linkcode ConfigError}, naming the file and the field. */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
    throw new ConfigError(`Cannot read the configuration ${path}: ${code}`, { cause });
  }
  return parseConfig(text, path);
}

/** The configuration in a text; `path` is for errors. Throws {@linkcode ConfigError}. */
export function parseConfig(text: string, path: string): ConfigFile {
  const fail = (at: string, why: string, cause?: unknown): ConfigError =>
    new ConfigError(`Cannot use the configuration ${path}: ${at}${why}`, { cause });
  let value: unknown;
  try {
    value = parseJson(text);
    checkNames(value);
    if (Array.isArray(value)) throw new SyntaxError("expected an Object, received an array");
  } catch (cause) {
    throw fail("", cause instanceof Error ? cause.message : String(cause), cause);
  }
  const result = v.safeParse(CONFIG_SCHEMA, value);
  if (!result.success) {
    const [issue] = result.issues;
    const at = v.getDotPath(issue);
    const unknown = issue.type === "strict_object" && issue.expected === "never";
    const why = unknown ? "there is no such setting" : issue.message;
    throw fail(at === null ? "" : `${at}: `, why);
  }
  const ids = (result.output.keys ?? []).map(({ id }) => id);
  const twice = ids.findIndex((id, i) => ids.indexOf(id) < i);
  if (twice !== -1) throw fail(`keys.${twice}.id: `, `another key is called ${ids[twice]}`);
  return result.output;
}

/** Nesting is bounded by `parseJson`, so this may recurse. */
function checkNames(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    if (RESERVED.has(name)) throw new SyntaxError(`'${name}' cannot be the name of a setting`);
    checkNames(inner);
  }
}

/** The keys of a configuration; `undefined` where it does not speak of them. */
export function toApiKeys({ keys }: ConfigFile): ApiKey[] | undefined {
  return keys?.map((key) => {
    const { id, hash, scopes = ["inference"], tenant, priority, models } = key;
    const { requests_per_minute: requests, tokens_per_minute: tokens } = key;
    return {
      id,
      hash,
      scopes,
      ...(tenant === undefined ? {} : { tenant }),
      ...(priority === undefined ? {} : { priority }),
      ...(models === undefined ? {} : { models }),
      limits: {
        ...(requests === undefined ? {} : { requestsPerMinute: requests }),
        ...(tokens === undefined ? {} : { tokensPerMinute: tokens }),
      },
    };
  });
}

/** The limits of a configuration that differ from the defaults. */
export function toHttpLimits({ limits = {} }: ConfigFile): Partial<HttpLimits> {
  const { body_bytes: bodyBytes, body_timeout: body } = limits;
  const { stream_stall: stall, loading_wait: loading } = limits;
  return {
    ...(bodyBytes === undefined ? {} : { bodyBytes }),
    ...(body === undefined ? {} : { bodyTimeoutMs: body * 1000 }),
    ...(stall === undefined ? {} : { stallMs: stall * 1000 }),
    ...(loading === undefined ? {} : { loadingWaitMs: loading * 1000 }),
  };
}
