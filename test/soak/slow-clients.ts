import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ask, type Ending } from "./client.ts";
import { compare, promptOf, TOKENS } from "./profiles.ts";
import { quantile, type Seen } from "./seen.ts";

/** Requests that are timed with and without the slow clients: in turn, as the machine may be busy with more. */
const TIMED = 40;

/** Of others' time at the 95th percentile. */
const MOST_FACTOR = 1.25;

/** Below this a difference is the machine's. */
const LEAST_MS = 10;

async function open(url: string, head: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  socket.on("data", () => {});
  await once(socket, "connect");
  socket.write(head);
  return socket;
}

/** The beginning of a request, and a header more from time to time: a slowloris. */
const halfHeaders = (url: string): Promise<Socket> =>
  open(url, "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\n");

/** A whole head, and a body that comes byte by byte. */
const slowUpload = (url: string): Promise<Socket> =>
  open(
    url,
    "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
  );

const p95 = (endings: readonly Ending[]): number =>
  quantile(
    endings.map(({ milliseconds }) => milliseconds),
    0.95,
  );

/**
 * F16: half of so many sockets send half a request, the other half a body byte by byte. Others are answered as
 * without them, and within `reapMs` the server has ended all of them; 0 waits for nothing and judges no time.
 */
export async function slowClients(
  url: string,
  truth: readonly string[],
  sockets: number,
  reapMs: number,
): Promise<Seen> {
  const timed = async (): Promise<(Ending & { i: number })[]> => {
    const endings: (Ending & { i: number })[] = [];
    const headers = { "cache-control": "no-store" };
    for (let i = 0; i < TIMED; i++)
      endings.push({
        ...(await ask(url, { prompt: promptOf(i), tokens: TOKENS, stream: true, headers })),
        i,
      });
    return endings;
  };
  await timed();
  const alone = await timed();
  const begun = performance.now();
  const held = await Promise.all(
    Array.from({ length: sockets }, (_, i) => (i % 2 === 0 ? halfHeaders(url) : slowUpload(url))),
  );
  const ended: number[] = [];
  for (const socket of held) socket.on("close", () => ended.push(performance.now() - begun));
  const trickle = setInterval(() => {
    for (const [i, socket] of held.entries())
      if (socket.writable) socket.write(i % 2 === 0 ? "x-more: y\r\n" : " ");
  }, 1000);
  try {
    const beside = await timed();
    while (ended.length < sockets && performance.now() - begun < reapMs) await sleep(100);
    const wrong = compare([...alone, ...beside], truth);
    const most = MOST_FACTOR * p95(alone) + LEAST_MS;
    if (reapMs > 0 && p95(beside) > most) wrong.push(`others took ${Math.round(p95(beside))} ms`);
    if (reapMs > 0 && ended.length < sockets)
      wrong.push(`${sockets - ended.length} sockets were still open after ${reapMs} ms`);
    return {
      figures: {
        sockets,
        "p95 ms alone": Math.round(p95(alone)),
        "p95 ms beside": Math.round(p95(beside)),
        ...(reapMs > 0 ? { "all ended after s": Math.round(Math.max(...ended) / 1000) } : {}),
      },
      wrong,
    };
  } finally {
    clearInterval(trickle);
    for (const socket of held) socket.destroy();
  }
}
