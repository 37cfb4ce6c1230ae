import { type Agent, request } from "node:http";
import { createAgent } from "../http/client.ts";

/** What a client saw of many answers. */
export interface Seen {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly count: number;
}

/** Where requests go. */
export interface Target {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * `clients` that each ask again as soon as they have an answer, for so many milliseconds. Throws where one is refused.
 *
 * @param next The next body.
 */
export async function load(
  target: Target,
  clients: number,
  milliseconds: number,
  next: () => string,
): Promise<Seen> {
  const agent = createAgent();
  const times: number[] = [];
  const start = performance.now();
  const one = async (): Promise<void> => {
    while (performance.now() - start < milliseconds) {
      const begun = performance.now();
      await ask(agent, target, next());
      times.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: clients }, one));
  const seconds = (performance.now() - start) / 1000;
  agent.destroy();
  const sorted = times.toSorted((a, b) => a - b);
  const quantile = (q: number): number => sorted[Math.floor(q * (sorted.length - 1))] ?? NaN;
  return {
    perSecond: times.length / seconds,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    count: times.length,
  };
}

/** Ask for an answer in one piece and read it. Rejects where its status is not 200. */
function ask(agent: Agent, { url, headers }: Target, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request(
      `${url}/v1/chat/completions`,
      {
        agent,
        method: "POST",
        headers: {
          ...headers,
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
        },
      },
      (response) => {
        response.resume();
        response.once("error", reject);
        response.once("end", () => {
          if (response.statusCode === 200) resolve();
          else reject(new Error(`${url} answered with ${response.statusCode}`));
        });
      },
    );
    call.once("error", reject);
    call.end(body);
  });
}
