import { Option, type Command } from "commander";
import { KEY_SCOPES, type ApiKey } from "../../../core/http/edge/access.ts";
import { hashKey } from "../../../core/http/edge/key-hash.ts";
import type { ConfigFile } from "../config/schema.ts";
import type { ServeOptions } from "../serve-model.ts";
import { listOption, UsageError } from "./options.ts";

/** Flags about who may ask, and about the configuration file. */
export interface EdgeFlags {
  readonly config?: string;
  readonly apiKey?: string;
  readonly allowHost?: readonly string[];
  readonly corsOrigin?: readonly string[];
  readonly otlp?: string;
}

/** Add the flags of {@linkcode EdgeFlags}. */
export function addEdgeOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--config <file>", "JSON file with any of these settings, keys and limits").env(
        "SIROCCO_CONFIG",
      ),
    )
    .addOption(
      new Option(
        "--api-key <key>",
        "a key that may do everything (better: `keys` of --config)",
      ).env("SIROCCO_API_KEY"),
    )
    .addOption(
      listOption("--allow-host <name>", "name in Host that is accepted; repeatable").env(
        "SIROCCO_ALLOW_HOST",
      ),
    )
    .addOption(
      listOption("--cors-origin <origin>", "origin whose pages may read answers; repeatable").env(
        "SIROCCO_CORS_ORIGIN",
      ),
    )
    .addOption(
      new Option("--otlp <url>", "collector of traces, OTLP over HTTP: http://127.0.0.1:4318").env(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
      ),
    );
}

/** Settings of the file that are no flags. */
const NOT_FLAGS: ReadonlySet<string> = new Set(["$schema", "keys", "limits", "tracing"]);

/**
 * Let a file's settings stand where neither a flag nor a variable says otherwise: a flag goes before a
 * variable, that before the file, that before the default.
 */
export function applyConfig(command: Command, config: ConfigFile): void {
  for (const [setting, value] of Object.entries(config)) {
    if (NOT_FLAGS.has(setting) || value === undefined) continue;
    const flag = setting.replace(/_(\w)/g, (_match, letter: string) => letter.toUpperCase());
    const source = command.getOptionValueSource(flag);
    if (source === undefined || source === "default") {
      command.setOptionValueWithSource(flag, value, "config");
    }
  }
}

/** Read the configuration file that the flags name. Rejects with {@linkcode UsageError}. */
export async function readConfig(path: string): Promise<ConfigFile> {
  // Other commands do without the validator.
  const { ConfigError, readConfigFile } = await import("../config/read-config.ts");
  try {
    return await readConfigFile(path);
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

/** The key of `--api-key` beside those of the file. */
export async function withFlagKey(
  keys: readonly ApiKey[] | undefined,
  apiKey: string | undefined,
): Promise<readonly ApiKey[] | undefined> {
  if (apiKey === undefined) return keys;
  return [...(keys ?? []), { id: "--api-key", hash: await hashKey(apiKey), scopes: KEY_SCOPES }];
}

/** Where traces go: by flag or OpenTelemetry's variables before the file. */
export function tracingOf(
  { otlp }: EdgeFlags,
  { tracing }: ConfigFile,
  env: Readonly<Record<string, string | undefined>> = process.env,
): ServeOptions["tracing"] {
  const endpoint = otlp ?? tracing?.endpoint;
  if (endpoint === undefined) return undefined;
  if (!URL.canParse(endpoint)) throw new UsageError(`Cannot send traces to ${endpoint}: no URL`);
  const serviceName = env["OTEL_SERVICE_NAME"] ?? tracing?.service_name;
  const sampleRatio = tracing?.sample_ratio;
  return {
    endpoint,
    headers: { ...tracing?.headers, ...readHeaders(env["OTEL_EXPORTER_OTLP_HEADERS"]) },
    ...(serviceName === undefined ? {} : { serviceName }),
    ...(sampleRatio === undefined ? {} : { sampleRatio }),
  };
}

/** `name=value,name=value`, percent-encoded, as OpenTelemetry writes it. */
function readHeaders(text = ""): Record<string, string> {
  const pairs = text.split(",").flatMap((part) => {
    const [, name, value] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(part) ?? [];
    return name === undefined || value === undefined ? [] : [[name, decodeURIComponent(value)]];
  });
  return Object.fromEntries(pairs) as Record<string, string>;
}
