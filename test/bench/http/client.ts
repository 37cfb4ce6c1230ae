import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** One answer as a client saw it; milliseconds. */
export interface Seen {
  readonly status: number;
  /** To the first piece of text. */
  readonly firstMs: number;
  readonly totalMs: number;
  /** Pieces of text: tokens, for servers that send each at once. */
  readonly pieces: number;
  readonly text: string;
  /** `Cache-Status`. */
  readonly cacheStatus: string | undefined;
}

/** One at a time per socket, and sockets are kept: connecting is not what is measured. */
export function createAgent(): Agent {
  return new Agent({ keepAlive: true });
}

/** Ask for a streamed completion and read it to its end. */
export function ask(agent: Agent, url: string, body: object): Promise<Seen> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      { agent, method: "POST", headers: { "content-type": "application/json" } },
      (response) => {
        let firstMs = 0;
        let pieces = 0;
        let text = "";
        let rest = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          const lines = (rest + chunk).split("\n");
          rest = lines.pop() ?? "";
          for (const line of lines) {
            if (!line.startsWith("data: {")) continue;
            const piece = textOf(line.slice(6));
            if (piece === "") continue;
            if (pieces++ === 0) firstMs = performance.now() - start;
            text += piece;
          }
        });
        response.once("error", reject);
        response.once("end", () => {
          const totalMs = performance.now() - start;
          const [cacheStatus] = [response.headers["cache-status"]].flat();
          resolve({
            status: response.statusCode ?? 0,
            firstMs,
            totalMs,
            pieces,
            text,
            cacheStatus,
          });
        });
      },
    );
    call.once("error", (error: NodeJS.ErrnoException) => {
      // A server may close a connection that was kept just as it is used again: that is no answer of its own.
      if (call.reusedSocket && error.code === "ECONNRESET") resolve(ask(agent, url, body));
      else reject(error);
    });
    call.end(JSON.stringify(body));
  });
}

function textOf(json: string): string {
  const chunk = JSON.parse(json) as {
    readonly choices?: readonly { readonly text?: string; readonly delta?: { content?: string } }[];
  };
  const choice = chunk.choices?.[0];
  return choice?.text ?? choice?.delta?.content ?? "";
}

/** `clients` that each ask again as soon as they have an answer, for so long; what begins in that time counts. */
export async function load(
  url: string,
  clients: number,
  seconds: number,
  body: (client: number, turn: number) => object,
): Promise<{ readonly seen: readonly Seen[]; readonly seconds: number }> {
  const agent = createAgent();
  const start = performance.now();
  const end = start + seconds * 1000;
  const seen: Seen[] = [];
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (let turn = 0; performance.now() < end; turn++) {
        seen.push(await ask(agent, url, body(client, turn)));
      }
    }),
  );
  agent.destroy();
  return { seen, seconds: (performance.now() - start) / 1000 };
}

/** Wait until a server answers its health check. */
export async function untilHealthy(url: string, seconds = 60): Promise<void> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    try {
      if ((await fetch(url)).ok) return;
    } catch {
      // It does not listen yet.
    }
    if (performance.now() > end) throw new Error(`${url} was not healthy within ${seconds} s`);
    await sleep(50);
  }
}
