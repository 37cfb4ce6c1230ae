import { setTimeout as sleep } from "node:timers/promises";
import { ask, askAndPause, metricsOf, untilIdle, type Ending } from "./client.ts";
import { quantile, type Seen } from "./seen.ts";

/*
 * Load profiles and faults against a server that serves the demo model: each returns what was seen and what
 * of it must not be. Texts are compared with what one client alone is given.
 */

const SUBJECTS = ["tides", "bridges", "caches", "queues", "engines", "maps", "clocks", "rivers"];
export const TOKENS = 24;

export function promptOf(i: number): string {
  return `A note about ${SUBJECTS[i % SUBJECTS.length]} and ${SUBJECTS[(i * 3 + 1) % SUBJECTS.length]}:`;
}

/** Answers that one client alone is given, by number of the prompt. */
export async function reference(url: string): Promise<readonly string[]> {
  const texts: string[] = [];
  for (let i = 0; i < SUBJECTS.length; i++) {
    const { text } = await ask(url, { prompt: promptOf(i), tokens: TOKENS, stream: false });
    texts.push(text);
  }
  return texts;
}

function p95(endings: readonly Ending[]): number {
  const times = endings.map(({ milliseconds }) => milliseconds);
  return Math.round(quantile(times, 0.95));
}

/** What is wrong with endings that have to be complete and equal to the reference. */
export function compare(
  endings: readonly (Ending & { readonly i: number })[],
  truth: readonly string[],
): string[] {
  return endings.flatMap(({ i, kind, text, status, code }) => {
    if (kind !== "complete") return [`request ${i} was ${kind}: ${status} ${code ?? ""}`];
    return text === truth[i % truth.length] ? [] : [`request ${i} has another text than alone`];
  });
}

/** L1: `clients` that ask one after another for so long, in streams and whole, at the slots' capacity. */
export async function steady(
  url: string,
  truth: readonly string[],
  clients: number,
  milliseconds: number,
): Promise<Seen> {
  const endings: (Ending & { i: number })[] = [];
  const end = performance.now() + milliseconds;
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (let turn = 0; performance.now() < end; turn++) {
        const i = client + turn * clients;
        const ending = await ask(url, {
          prompt: promptOf(i),
          tokens: TOKENS,
          stream: i % 2 === 0,
          headers: { "cache-control": "no-store" },
        });
        endings.push({ ...ending, i });
      }
    }),
  );
  const { length } = endings;
  return {
    figures: { clients, answers: length, "p95 ms": p95(endings) },
    wrong: [...compare(endings, truth), ...(length >= clients ? [] : ["too few answers"])],
  };
}

/** L2: `requests` at once, more than slots and queue hold: each is answered as alone or refused at once. */
export async function burst(
  url: string,
  truth: readonly string[],
  requests: number,
): Promise<Seen> {
  const endings = await Promise.all(
    Array.from({ length: requests }, async (_, i) => ({
      ...(await ask(url, {
        prompt: promptOf(i),
        tokens: TOKENS,
        stream: i % 2 === 0,
        headers: { "cache-control": "no-store" },
      })),
      i,
    })),
  );
  const refused = endings.filter(({ kind }) => kind === "refused");
  const answered = endings.filter(({ kind }) => kind !== "refused");
  const wrong = refused.flatMap(({ status, code, retryAfter }) =>
    status === 429 && code === "queue_full" && Number(retryAfter) >= 1
      ? []
      : [`refused with ${status} ${code}, retry-after ${retryAfter}`],
  );
  if (refused.length === 0) wrong.push("nothing was refused: this was no overload");
  return {
    figures: {
      requests,
      answered: answered.length,
      refused: refused.length,
      "p95 ms refused": p95(refused),
      "idle after ms": Math.round(await untilIdle(url)),
    },
    wrong: [...wrong, ...compare(answered, truth)],
  };
}

/** L3: clients of whom half leave in the middle, before the first token, by reset, or read slowly. */
export async function rude(url: string, truth: readonly string[], rounds: number): Promise<Seen> {
  const polite: (Ending & { i: number })[] = [];
  for (let round = 0; round < rounds; round++) {
    const leaving = new AbortController();
    const asking = { prompt: promptOf(round), tokens: 400, stream: true } as const;
    const reset = await askAndPause(url, asking);
    const all = [
      ask(url, { ...asking, leaveAfter: 3 }),
      ask(url, { ...asking, stream: false, signal: leaving.signal }),
      ask(url, { ...asking, signal: leaving.signal }),
      ask(url, { prompt: promptOf(round + 1), tokens: TOKENS, stream: true, slowMs: 20 }),
    ];
    const well = [round, round + 1, round + 2].map(async (i) => {
      const headers = { "cache-control": "no-store" };
      const ending = await ask(url, { prompt: promptOf(i), tokens: TOKENS, stream: true, headers });
      polite.push({ ...ending, i });
    });
    await sleep(5);
    leaving.abort();
    reset.destroy();
    await Promise.all([...well, ...all.map((one) => one.catch(() => undefined))]);
  }
  const idle = await untilIdle(url);
  return {
    figures: {
      rounds,
      "polite answers": polite.length,
      "p95 ms": p95(polite),
      "idle after ms": Math.round(idle),
    },
    wrong: [
      ...compare(polite, truth),
      ...(idle <= 2000 ? [] : [`slots and blocks were in use ${idle} ms after the last client`]),
    ],
  };
}

/** L4: readers that never read. What they cost in memory, and that others are answered meanwhile. */
export async function paused(
  url: string,
  truth: readonly string[],
  readers: number,
): Promise<Seen> {
  const rss = async (): Promise<number> => ((await memoryOf(url)) ?? NaN) / 2 ** 20;
  const before = await rss();
  const sockets = [];
  for (let i = 0; i < readers; i++) {
    sockets.push(await askAndPause(url, { prompt: promptOf(i), tokens: 300, stream: true }));
  }
  const idle = await untilIdle(url);
  const ending = await ask(url, { prompt: promptOf(0), tokens: TOKENS, stream: true });
  const growth = (await rss()) - before;
  for (const socket of sockets) socket.destroy();
  return {
    figures: {
      readers,
      "MiB a reader": (growth / readers).toFixed(2),
      "idle after ms": Math.round(idle),
    },
    wrong: [
      ...compare([{ ...ending, i: 0 }], truth),
      ...(idle < Infinity ? [] : ["who does not read keeps a slot"]),
      // A mebibyte each, and what a heap of this size moves by itself.
      ...(growth <= readers + 32 ? [] : [`${readers} paused readers took ${growth} MiB`]),
    ],
  };
}

/** Bytes that a server has in memory. */
export async function memoryOf(url: string): Promise<number | undefined> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const value = /^sirocco_memory_bytes\{kind="rss"\} (\S+)$/m.exec(text)?.[1];
  return value === undefined ? undefined : Number(value);
}

/** L5: the same request many times at once: all the same bytes. */
export async function identical(
  url: string,
  truth: readonly string[],
  requests: number,
): Promise<Seen> {
  const before = (await metricsOf(url)).get("vllm:generation_tokens_total") ?? 0;
  const endings = await Promise.all(
    Array.from({ length: requests }, async () => ({
      ...(await ask(url, { prompt: promptOf(3), tokens: TOKENS, stream: true })),
      i: 3,
    })),
  );
  const tokens = ((await metricsOf(url)).get("vllm:generation_tokens_total") ?? 0) - before;
  const answered = endings.filter(({ code }) => code !== "queue_full");
  return {
    figures: { requests, answered: answered.length, "tokens generated": tokens },
    wrong: compare(answered, truth),
  };
}

/** A stream that breaks at each of some places is resumed, and the parts are the whole. */
export async function resumed(url: string, truth: readonly string[]): Promise<Seen> {
  const wrong: string[] = [];
  const accept = { accept: "text/event-stream" };
  let breaks = 0;
  for (let i = 0; i < truth.length; i++) {
    const asking = { prompt: promptOf(i), tokens: TOKENS, stream: true, headers: accept } as const;
    const first = await ask(url, { ...asking, leaveAfter: 1 + 2 * i });
    if (first.kind === "complete" || first.lastId === undefined) continue;
    breaks++;
    const rest = await ask(url, {
      ...asking,
      headers: { ...accept, "last-event-id": first.lastId },
    });
    if (first.text + rest.text !== truth[i])
      wrong.push(`the parts of answer ${i} are not the whole`);
  }
  if (breaks === 0) wrong.push("no stream broke");
  return { figures: { breaks }, wrong };
}
