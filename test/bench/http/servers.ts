import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../peers.ts";
import { untilHealthy } from "./client.ts";
import { freePort } from "../../fixtures/free-port.ts";
import { processorTime } from "../processor-time.ts";

/** A server to measure. */
export interface ServerKind {
  readonly label: string;
  /** Why it cannot be measured here, where it cannot. */
  missing(): string | undefined;
  command(model: string, threads: number, slots: number, port: number): readonly string[];
  readonly health: string;
}

/** A server that answers. */
export interface RunningServer {
  readonly url: string;
  /** MiB in use now, and the most so far. */
  memory(): { readonly now: number; readonly peak: number };
  /** Microseconds that it has computed so far. */
  cpu(): number;
  stop(): Promise<void>;
}

/** Tokens that one request may hold, for every server. */
const CONTEXT = 512;

/** A gateway in Python takes a minute beside other work. */
const LONGEST_START_S = 180;

/** A build of llama.cpp's own server; no registry has one for every machine. */
const LLAMA_SERVER = process.env["LLAMA_SERVER"] ?? "";

/** sirocco first. */
export const SERVERS: Readonly<Record<string, ServerKind>> = {
  sirocco: {
    label: "sirocco",
    missing: () => undefined,
    command: (model, threads, slots, port) => [
      process.execPath,
      path.join(ROOT, "dist/adapters/node/cli/main.js"),
      "serve",
      "-m",
      model,
      "-t",
      `${threads}`,
      "--parallel",
      `${slots}`,
      "-c",
      `${CONTEXT}`,
      "--port",
      `${port}`,
      "--alias",
      "m",
      "--json",
    ],
    health: "/readyz",
  },
  "llama-server": {
    label: "llama.cpp's llama-server",
    missing: () =>
      existsSync(LLAMA_SERVER) ? undefined : "set LLAMA_SERVER to the path of a llama-server",
    command: (model, threads, slots, port) => [
      LLAMA_SERVER,
      "-m",
      model,
      "-t",
      `${threads}`,
      "-np",
      `${slots}`,
      "-c",
      `${CONTEXT * slots}`,
      "--port",
      `${port}`,
      "--alias",
      "m",
    ],
    health: "/health",
  },
  "node-llama-cpp": {
    label: "llama.cpp (node-llama-cpp) behind hono",
    missing: () =>
      existsSync(path.join(ROOT, "test/peers/node_modules/node-llama-cpp"))
        ? undefined
        : "the package node-llama-cpp is not installed in test/peers",
    command: (model, threads, slots, port) => [
      process.execPath,
      path.join(ROOT, "test/peers/llama/server.mjs"),
      model,
      `${threads}`,
      `${slots}`,
      `${CONTEXT}`,
      `${port}`,
    ],
    health: "/health",
  },
};

/** Start a server in a process of its own; resolves once it answers. */
export async function startServer(
  kind: ServerKind,
  model: string,
  threads: number,
  slots: number,
): Promise<RunningServer> {
  const port = await freePort();
  return await startProgram(
    kind.label,
    kind.command(model, threads, slots, port),
    port,
    kind.health,
  );
}

/** Start a program that listens on `port` of loopback; resolves once its path `health` answers. */
export async function startProgram(
  label: string,
  [program = "", ...args]: readonly string[],
  port: number,
  health: string,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningServer> {
  const child = spawn(program, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...env },
  });
  let said = "";
  child.stderr
    .setEncoding("utf8")
    .on("data", (text: string) => (said = (said + text).slice(-2000)));
  const url = `http://127.0.0.1:${port}`;
  try {
    await Promise.race([
      untilHealthy(url + health, LONGEST_START_S),
      once(child, "exit").then(() => {
        throw new Error(`${label} ended: ${said}`);
      }),
    ]);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  return {
    url,
    memory: () => memoryOf(child),
    cpu: () => processorTime(child.pid!),
    stop: () => stop(child),
  };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** By Linux's account; elsewhere unknown. */
function memoryOf({ pid }: ChildProcess): { readonly now: number; readonly peak: number } {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const kib = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]);
    return { now: kib("VmRSS") / 1024, peak: kib("VmHWM") / 1024 };
  } catch {
    return { now: NaN, peak: NaN };
  }
}
