import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { existsSync } from "node:fs";
import { freePort } from "../../fixtures/free-port.ts";

/** A real Redis (or Valkey) server: the distribution's own. */
const BINARY = ["/usr/bin/redis-server", "/usr/bin/valkey-server"].find((path) => existsSync(path));

/** Whether there is a server to test with; in CI its absence is a failure. */
export function hasRedis(): boolean {
  if (BINARY === undefined && process.env["CI"] !== undefined) {
    throw new Error("There is no redis-server: install Debian's redis-server or valkey");
  }
  return BINARY !== undefined;
}

/** A server of one's own that can be stopped, frozen and started again on the same port. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  start(): Promise<void>;
  /** End it at once, as a crash would. */
  kill(): Promise<void>;
  /** It keeps its connections and says nothing any more. */
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
}

export async function startRedis(): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), "sirocco-redis-"));
  const port = await freePort();
  let child: ChildProcess | undefined;
  const server: RedisServer = {
    port,
    url: `redis://127.0.0.1:${port}`,
    async start() {
      const options = [
        "--port",
        String(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        directory,
      ];
      child = spawn(BINARY!, options, { stdio: "ignore" });
      for (let i = 0; ; i++) {
        if (await answers(port)) return;
        if (i > 200) throw new Error("redis-server does not listen");
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async kill() {
      const running = child;
      child = undefined;
      if (running === undefined) return;
      const ended = once(running, "exit");
      running.kill("SIGKILL");
      await ended;
    },
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
    async close() {
      await server.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    socket.write("PING\r\n");
    const [data] = (await once(socket, "data")) as [Buffer];
    return data.toString().startsWith("+PONG");
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
