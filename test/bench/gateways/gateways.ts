import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../../fixtures/free-port.ts";
import { startProgram, type RunningServer } from "../http/servers.ts";
import { ROOT } from "../peers.ts";

/** What stands between clients and a server with a model. */
export interface Gateway {
  readonly label: string;
  /** Whether it keeps answers. */
  readonly keeps: boolean;
  /** Why it cannot be measured here, where it cannot. */
  missing(): string | undefined;
  /** Start it in front of the server at `node`, which calls its model {@linkcode MODEL}. */
  start(node: string): Promise<RunningGateway>;
}

/** A gateway that answers. */
export interface RunningGateway extends Pick<RunningServer, "url" | "cpu" | "stop"> {
  /** Headers that it wants of every request. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The demo model's name. */
export const MODEL = "sirocco-demo.q8_0";

/** The built command. */
export const COMMAND: readonly string[] = [
  process.execPath,
  path.join(ROOT, "dist/adapters/node/cli/main.js"),
];

/** Start the server with the model; it keeps no answers. One thread, as the gateways need the other. */
export async function startNode(): Promise<RunningServer> {
  const port = await freePort();
  const command = [...COMMAND, "serve", "--threads", "1", "--port", `${port}`, "--json"];
  return await startProgram("the server", command, port, "/readyz");
}

function sirocco(keeps: boolean): Gateway {
  return {
    label: keeps ? "sirocco, `--cache memory`" : "sirocco",
    keeps,
    missing: () => undefined,
    async start(node) {
      const port = await freePort();
      const cache = keeps ? ["--cache", "memory"] : [];
      const edge = ["serve", "--no-model", "--pool", `node=${node}`, ...cache];
      const command = [...COMMAND, ...edge, "--port", `${port}`, "--json"];
      return { ...(await startProgram("sirocco", command, port, "/readyz")), headers: {} };
    },
  };
}

const PORTKEY = path.join(ROOT, "test/peers/node_modules/@portkey-ai/gateway");

/** Its package has no cache: what fills it is left out of the build. */
const portkey: Gateway = {
  label: `Portkey's gateway ${versionIn(PORTKEY)}`,
  keeps: false,
  missing: () =>
    existsSync(PORTKEY) ? undefined : "the package @portkey-ai/gateway is not in test/peers",
  async start(node) {
    const port = await freePort();
    const command = [
      process.execPath,
      path.join(PORTKEY, "build/start-server.js"),
      `--port=${port}`,
      "--headless",
    ];
    const config = { provider: "openai", api_key: "none", custom_host: `${node}/v1` };
    return {
      ...(await startProgram("Portkey's gateway", command, port, "/")),
      headers: { "x-portkey-config": JSON.stringify(config) },
    };
  },
};

/** Where `npm run bench:gateways -- --help` says that LiteLLM is to be installed. */
export const LITELLM_FOLDER: string = path.join(ROOT, ".cache/litellm");

/** Of a LiteLLM that lives for a minute, on loopback. */
const KEY = "sk-of-a-benchmark";

function litellm(keeps: boolean): Gateway {
  return {
    label: `LiteLLM ${litellmVersion()}${keeps ? ", `cache: local`" : ""}`,
    keeps,
    missing: () =>
      existsSync(path.join(LITELLM_FOLDER, "bin/litellm"))
        ? undefined
        : "LiteLLM is not installed (see --help)",
    async start(node) {
      const port = await freePort();
      const folder = await mkdtemp(path.join(tmpdir(), "sirocco-litellm-"));
      const file = path.join(folder, "config.yaml");
      // JSON is YAML.
      const config = {
        model_list: [
          {
            model_name: MODEL,
            litellm_params: { model: `openai/${MODEL}`, api_base: `${node}/v1`, api_key: "none" },
          },
        ],
        litellm_settings: keeps ? { cache: true, cache_params: { type: "local" } } : {},
      };
      await writeFile(file, JSON.stringify(config));
      const command = [
        path.join(LITELLM_FOLDER, "bin/litellm"),
        `--config=${file}`,
        "--host=127.0.0.1",
        `--port=${port}`,
        "--num_workers=1",
        "--telemetry=False",
      ];
      // It does not start without a key. Its list of prices is a file of the package, too.
      const env = {
        LITELLM_MASTER_KEY: KEY,
        LITELLM_LOCAL_MODEL_COST_MAP: "True",
        LITELLM_LOG: "ERROR",
      };
      const server = await startProgram("LiteLLM", command, port, "/health/liveliness", env);
      return {
        ...server,
        headers: { authorization: `Bearer ${KEY}` },
        async stop() {
          await server.stop();
          await rm(folder, { recursive: true });
        },
      };
    },
  };
}

/** sirocco first. */
export const GATEWAYS: readonly Gateway[] = [
  sirocco(false),
  portkey,
  litellm(false),
  sirocco(true),
  litellm(true),
];

/** The folder of a wheel's metadata has it in its name. */
function litellmVersion(): string {
  const lib = path.join(LITELLM_FOLDER, "lib");
  const [python = ""] = existsSync(lib) ? readdirSync(lib) : [];
  const packages = path.join(lib, python, "site-packages");
  const names = existsSync(packages) ? readdirSync(packages) : [];
  return names.map((name) => /^litellm-([\d.]+)\.dist-info$/.exec(name)?.[1]).find(Boolean) ?? "";
}

function versionIn(folder: string): string {
  try {
    const text = readFileSync(path.join(folder, "package.json"), "utf8");
    return (JSON.parse(text) as { version: string }).version;
  } catch {
    return "";
  }
}
