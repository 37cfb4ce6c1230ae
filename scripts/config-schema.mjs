// Writes config.schema.json, what editors check a configuration file with, from the validator's own
// schema. Run after every change of adapters/node/config/schema.ts.
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { toJsonSchema } from "@valibot/to-json-schema";
import { CONFIG_SCHEMA } from "../adapters/node/config/schema.ts";

const target = new URL("../config.schema.json", import.meta.url);

/** The text of config.schema.json. */
export function configSchema() {
  const schema = toJsonSchema(CONFIG_SCHEMA, { target: "draft-2020-12", errorMode: "throw" });
  return `${JSON.stringify({ title: "sirocco serve --config", ...schema }, null, 2)}\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  writeFileSync(target, configSchema());
}
