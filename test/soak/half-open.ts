import { execFileSync, spawn } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { startServer } from "../fixtures/cli.ts";
import { MODEL, untilIdle } from "./client.ts";
import type { Seen } from "./seen.ts";

/*
 * F16, half-open clients: they are gone, and nothing says so, as when a cable is pulled. They are in a network of
 * their own (a namespace of Linux) whose wire is taken away while they wait for answers.
 */

const NAMESPACE = "sirocco-away";
const HERE = "10.213.77.1";
const THERE = "10.213.77.2";

/** Of each kind: half a request, a stream that runs, a connection that is kept for the next request. */
const EACH = 20;

/** Idle connections are kept for 65 s, and looked after every 5 s. */
const REAPED_MS = 80_000;

/** Connections of this process that are kept. */
const OURS = 2;

const ip = (...args: readonly string[]): void => {
  execFileSync("ip", args, { stdio: "ignore" });
};

/** Clients that connect, send, and then wait; what they are told they drop. */
const CLIENT = `
const { connect } = require("node:net");
const body = ${JSON.stringify(JSON.stringify({ model: MODEL, prompt: "A note about maps:", max_tokens: 200, stream: true }))};
const head = "POST /v1/completions HTTP/1.1\\r\\nhost: x\\r\\ncontent-type: application/json\\r\\n";
const port = Number(process.argv[1]);
const kinds = [head, head + "content-length: " + body.length + "\\r\\n\\r\\n" + body, "GET /livez HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n"];
let open = 0;
for (const what of kinds) for (let i = 0; i < ${EACH}; i++) {
  const socket = connect(port, "${HERE}", () => { socket.write(what); if (++open === ${3 * EACH}) console.log("open"); });
  socket.on("data", () => {}).on("error", () => {});
}`;

/** Whether this process may make networks. */
function mayMakeNetworks(): boolean {
  try {
    ip("netns", "add", NAMESPACE);
    return true;
  } catch {
    return false;
  }
}

const socketsOf = (pid: number): number =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith("socket:");
    } catch {
      return false;
    }
  }).length;

/** Clients vanish; what was theirs is free again. Says so where networks cannot be made here. */
export async function halfOpen(): Promise<Seen> {
  if (!mayMakeNetworks())
    return { figures: { skipped: "needs Linux, `ip` and the right to make networks" }, wrong: [] };
  try {
    ip("link", "add", "sirocco-a", "type", "veth", "peer", "name", "sirocco-b");
    ip("link", "set", "sirocco-b", "netns", NAMESPACE);
    ip("addr", "add", `${HERE}/30`, "dev", "sirocco-a");
    ip("link", "set", "sirocco-a", "up");
    ip("-n", NAMESPACE, "addr", "add", `${THERE}/30`, "dev", "sirocco-b");
    ip("-n", NAMESPACE, "link", "set", "sirocco-b", "up");
    const server = await startServer(["--host", HERE]);
    const { url, child } = server;
    try {
      await untilIdle(url);
      const before = socketsOf(child.pid!);
      const args = ["netns", "exec", NAMESPACE, process.execPath, "-e", CLIENT];
      const clients = spawn("ip", [...args, new URL(url).port]);
      await new Promise((resolve) => clients.stdout.once("data", resolve));
      // They are connected before the server has looked.
      let most = socketsOf(child.pid!);
      for (let i = 0; i < 100 && most - before < 3 * EACH; i++) {
        await sleep(50);
        most = socketsOf(child.pid!);
      }
      ip("-n", NAMESPACE, "link", "set", "sirocco-b", "down");
      clients.kill("SIGKILL");
      const begun = performance.now();
      let idle = Infinity;
      while (performance.now() - begun < REAPED_MS) {
        if (idle === Infinity && (await untilIdle(url)) < Infinity)
          idle = performance.now() - begun;
        if (socketsOf(child.pid!) <= before + OURS) break;
        await sleep(500);
      }
      const left = socketsOf(child.pid!) - before - OURS;
      return {
        figures: {
          "half-open": most - before,
          "idle after ms": Math.round(idle),
          "all closed after s": Math.round((performance.now() - begun) / 1000),
        },
        wrong: [
          ...(most - before >= 3 * EACH ? [] : ["the clients were not there: nothing was shown"]),
          ...(idle < Infinity ? [] : ["slots of clients that are gone are still taken"]),
          ...(left <= 0 ? [] : [`${left} of their sockets are still open`]),
        ],
      };
    } finally {
      await server.stop();
    }
  } finally {
    for (const undo of [
      ["netns", "del", NAMESPACE],
      ["link", "del", "sirocco-a"],
    ]) {
      try {
        ip(...undo);
      } catch {
        // It was not there.
      }
    }
  }
}
