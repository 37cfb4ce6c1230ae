import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { integer, listOption } from "../../../../adapters/node/cli/options.ts";
import { applyConfig } from "../../../../adapters/node/cli/serve-config.ts";
import {
  ConfigError,
  parseConfig,
  toApiKeys,
  toHttpLimits,
} from "../../../../adapters/node/config/read-config.ts";

const HASH = `sha256:${"0".repeat(64)}`;
const root = new URL("../../../../", import.meta.url);
const schema = readFileSync(new URL("config.schema.json", root), "utf8");
const accepts = new Ajv2020({ strict: true }).compile(JSON.parse(schema));

/** What is wrong, and what the message has to say: the path and the reason. */
const WRONG: readonly (readonly [unknown, RegExp])[] = [
  [{ port: "8080" }, /port: .*number/],
  [{ port: 70_000 }, /port: .*65535/],
  [{ prot: 1 }, /prot: there is no such setting/],
  [{ limits: { body: 1 } }, /limits\.body: there is no such setting/],
  [{ keys: [{ id: "a" }] }, /keys\.0\.hash: /],
  [{ keys: [{ id: "a", hash: "sk-secret" }] }, /keys\.0\.hash: expected sha256: and 64 hex digits/],
  [{ keys: [{ id: "a", hash: HASH, scopes: ["all"] }] }, /keys\.0\.scopes\.0: /],
  [{ keys: [{ id: "a\n", hash: HASH }] }, /keys\.0\.id: /],
  [{ keys: [{ id: "a", hash: HASH, tokens_per_minute: 0 }] }, /keys\.0\.tokens_per_minute: /],
  [{ cors_origin: ["*"] }, /cors_origin\.0: expected an origin/],
  [{ backend: "cuda" }, /backend: /],
  [{ gpu_memory: "much" }, /gpu_memory: .*a size/],
  [{ gpu_memory: 0 }, /gpu_memory: /],
  [[], /Object/],
  [null, /Object/],
];

describe("parseConfig", () => {
  test.each(WRONG)("refuses %j with the path and the reason", (value, message) => {
    const parse = () => parseConfig(JSON.stringify(value), "sirocco.json");
    expect(parse).toThrow(ConfigError);
    expect(parse).toThrow(message);
    expect(parse).toThrow("Cannot use the configuration sirocco.json: ");
    expect(accepts(value), "config.schema.json").toBe(false);
  });

  test("refuses two keys of one name, broken JSON, deep nesting", () => {
    const keys = [
      { id: "a", hash: HASH },
      { id: "a", hash: HASH },
    ];
    expect(() => parseConfig(JSON.stringify({ keys }), "f")).toThrow("keys.1.id: another key");
    expect(() => parseConfig('{"port": }', "f")).toThrow("not valid JSON");
    expect(() => parseConfig("[".repeat(100_000), "f")).toThrow("nested deeper");
  });

  test("a message never repeats what might be a key", () => {
    const text = JSON.stringify({ keys: [{ id: "a", hash: "sk-secret" }] });
    expect(() => parseConfig(text, "f")).toThrow(/^(?!.*sk-secret)/);
  });

  test("takes every setting that there is, and toApiKeys and toHttpLimits translate", () => {
    const value = {
      $schema: "./config.schema.json",
      model: "m.gguf",
      port: 0,
      gpu_memory: "1.5 GiB",
      cors_origin: ["https://app.example", "http://localhost:5173"],
      limits: { body_bytes: 1000, body_timeout: 1.5, stream_stall: 2, loading_wait: 0 },
      keys: [
        { id: "a", hash: HASH, requests_per_minute: 5, tokens_per_minute: 6, priority: 1 },
        { id: "b", hash: HASH, scopes: ["metrics"], tenant: "t", models: ["m"] },
      ],
    };
    expect(accepts(value), JSON.stringify(accepts.errors)).toBe(true);
    const config = parseConfig(JSON.stringify(value), "f");
    expect(toApiKeys(config)).toEqual([
      {
        id: "a",
        hash: HASH,
        scopes: ["inference"],
        priority: 1,
        limits: { requestsPerMinute: 5, tokensPerMinute: 6 },
      },
      { id: "b", hash: HASH, scopes: ["metrics"], tenant: "t", models: ["m"], limits: {} },
    ]);
    expect(toHttpLimits(config)).toEqual({
      bodyBytes: 1000,
      bodyTimeoutMs: 1500,
      stallMs: 2000,
      loadingWaitMs: 0,
    });
    expect(toApiKeys({})).toBeUndefined();
    expect(toApiKeys({ keys: [] })).toEqual([]);
  });
});

test("config.schema.json is what scripts/config-schema.mjs makes of the validator's schema", async () => {
  const script = new URL("scripts/config-schema.mjs", root).href;
  const { configSchema } = (await import(script)) as { configSchema: () => string };
  const stale = "config.schema.json is stale: run node scripts/config-schema.mjs";
  expect(JSON.parse(schema), stale).toEqual(JSON.parse(configSchema()));
});

function make(): Command {
  const command = new Command("serve").option("--grace <n>", "", integer(0), 25);
  command.option("--drain-delay <n>", "", integer(0));
  command.addOption(listOption("--allow-host <name>", "").env("TEST_ALLOW_HOST"));
  return command.exitOverride();
}

test("applyConfig: a flag goes before a variable, that before the file, that before the default", () => {
  const file = { grace: 1, drain_delay: 2, allow_host: ["file"], keys: [] };
  const settle = (args: readonly string[]) => {
    const command = make().parse(args, { from: "user" });
    applyConfig(command, file);
    return command.opts();
  };
  expect(settle([])).toEqual({ grace: 1, drainDelay: 2, allowHost: ["file"] });
  expect(settle(["--grace", "3", "--allow-host", "a", "--allow-host", "b,c"])).toEqual({
    grace: 3,
    drainDelay: 2,
    allowHost: ["a", "b", "c"],
  });
  process.env["TEST_ALLOW_HOST"] = "x,y";
  try {
    expect(settle([])).toMatchObject({ allowHost: ["x", "y"] });
    expect(settle(["--allow-host", "a"])).toMatchObject({ allowHost: ["a"] });
  } finally {
    delete process.env["TEST_ALLOW_HOST"];
  }
});
