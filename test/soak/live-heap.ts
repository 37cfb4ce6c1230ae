import { spawnCli } from "../fixtures/cli.ts";

/*
 * What a process keeps when all garbage has been collected: the only figure that tells a leak from garbage that
 * nobody has collected yet. Node tells it over the protocol of its inspector, of every thread.
 */

/** A thread that does not answer by then does not answer. */
const ANSWER_MS = 10_000;

/** Bytes that are in use after a collection. */
export interface LiveHeap {
  /** JavaScript's objects in all threads. */
  readonly objects: number;
  /** Memory outside of the heap that objects hold: buffers. */
  readonly outside: number;
}

/** A server whose heap can be looked at. */
export interface WatchedServer {
  readonly url: string;
  collect(): Promise<LiveHeap>;
  stop(): Promise<void>;
}

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly sessionId?: string; readonly message?: string };
  readonly result?: unknown;
}

interface Session {
  ask(method: string, params?: object): Promise<unknown>;
}

/** Ask over something that takes messages; `take` is to be given what comes back. */
function createSession(send: (text: string) => void): Session & { take(answer: Answer): void } {
  const waiting = new Map<number, (result: unknown) => void>();
  let next = 0;
  return {
    ask(method, params = {}) {
      const id = ++next;
      send(JSON.stringify({ id, method, params }));
      return new Promise((resolve, reject) => {
        waiting.set(id, resolve);
        setTimeout(() => reject(new Error(`${method} was not answered`)), ANSWER_MS).unref();
      });
    },
    take({ id, result }) {
      if (id === undefined) return;
      waiting.get(id)?.(result);
      waiting.delete(id);
    },
  };
}

/** What a thread has after its garbage is gone. */
async function look(session: Session): Promise<LiveHeap> {
  // What a first collection makes unreachable, finalizers among it, the second one takes.
  for (let i = 0; i < 2; i++) await session.ask("HeapProfiler.collectGarbage");
  const { usedSize, backingStorageSize = 0 } = (await session.ask("Runtime.getHeapUsage")) as {
    usedSize: number;
    backingStorageSize?: number;
  };
  return { objects: usedSize, outside: backingStorageSize };
}

/** Start `sirocco serve` under an inspector, with one thread: others sleep where no inspector reaches them. */
export async function startWatched(): Promise<WatchedServer> {
  const child = spawnCli(["serve", "--port", "0", "--json", "--threads", "1"], {
    env: { NODE_OPTIONS: "--inspect=127.0.0.1:0" },
  });
  let log = "";
  const [url, inspector] = await new Promise<readonly [string, string]>((resolve, reject) => {
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      log += text;
      const [, listening] = /"event":"listening","url":"([^"]+)"/.exec(log) ?? [];
      const [, debug] = /(ws:\/\/\S+)/.exec(log) ?? [];
      if (listening !== undefined && debug !== undefined) resolve([listening, debug]);
    });
    child.once("close", (code) => reject(new Error(`The server ended with ${code}:\n${log}`)));
  });
  while (!(await fetch(`${url}/readyz`)).ok) await new Promise((next) => setTimeout(next, 20));

  const socket = new WebSocket(inspector);
  await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
  const main = createSession((text) => socket.send(text));
  const threads = new Map<string, ReturnType<typeof createSession>>();
  socket.addEventListener("message", ({ data }) => {
    const answer = JSON.parse(String(data)) as Answer;
    const { sessionId = "", message = "{}" } = answer.params ?? {};
    if (answer.method === "NodeWorker.attachedToWorker")
      threads.set(
        sessionId,
        createSession((text) => {
          void main.ask("NodeWorker.sendMessageToWorker", { sessionId, message: text });
        }),
      );
    else if (answer.method === "NodeWorker.detachedFromWorker") threads.delete(sessionId);
    else if (answer.method === "NodeWorker.receivedMessageFromWorker")
      threads.get(sessionId)?.take(JSON.parse(message) as Answer);
    else main.take(answer);
  });
  await main.ask("NodeWorker.enable", { waitForDebuggerOnStart: false });

  return {
    url,
    async collect() {
      const heaps = await Promise.all([main, ...threads.values()].map(look));
      return {
        objects: heaps.reduce((sum, { objects }) => sum + objects, 0),
        outside: heaps.reduce((sum, { outside }) => sum + outside, 0),
      };
    },
    async stop() {
      socket.close();
      const ended = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGKILL");
      await ended;
    },
  };
}
