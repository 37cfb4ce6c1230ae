import { setTimeout as sleep } from "node:timers/promises";
import { startProgram } from "../http/servers.ts";
import { ask, createAgent } from "../http/client.ts";
import { freePort } from "../../fixtures/free-port.ts";
import { metricsOf } from "../../soak/client.ts";
import { COMMAND, MODEL } from "../gateways/gateways.ts";
import type { Replayed } from "./requests.ts";

/** What was seen of a replay. */
export interface Seen {
  /** To the first token, from when each request was due; ascending. */
  readonly firstMs: readonly number[];
  readonly requests: number;
  /** Those for which there was no room; they are in no other figure. */
  readonly refused: number;
  /** Requests whose answer was kept, or being computed for another. */
  readonly exact: number;
  readonly promptTokens: number;
  /** Of the prompts' tokens: those of kept answers, and those whose keys and values were there. */
  readonly exactTokens: number;
  readonly prefixTokens: number;
  /** Of requests that reached the engine. */
  readonly engineTokens: number;
  /** From the first request to the last answer. */
  readonly seconds: number;
}

/** The status of a request for which there is no room. */
const NO_ROOM = 429;

/** Requests that the server runs at one time; as many again and more may wait. */
const PARALLEL = "8";

/** Send the requests when they are due, whatever became of others, to a server of its own. Throws where one fails. */
export async function replay(
  requests: readonly Replayed[],
  flags: readonly string[],
): Promise<Seen> {
  const port = await freePort();
  const command = [
    ...COMMAND,
    "serve",
    "--port",
    `${port}`,
    "--json",
    "--parallel",
    PARALLEL,
    ...flags,
  ];
  const server = await startProgram("sirocco", command, port, "/readyz");
  const agent = createAgent();
  try {
    // Not part of it: code is compiled.
    for (let i = 0; i < 20; i++)
      await ask(agent, `${server.url}/v1/completions`, bodyOf(warmUp(i)));
    const before = await metricsOf(server.url);
    const begun = performance.now();
    const answers = await Promise.all(
      requests.map(async (request) => {
        const due = begun + request.atMs;
        await sleep(Math.max(due - performance.now(), 0));
        const lateMs = performance.now() - due;
        const seen = await ask(agent, `${server.url}/v1/completions`, bodyOf(request));
        if (seen.status === NO_ROOM) return undefined;
        if (seen.status !== 200) throw new Error(`A request was answered with ${seen.status}`);
        const exact = /; hit|; collapsed/.test(seen.cacheStatus ?? "");
        return { firstMs: lateMs + seen.firstMs, exact, length: request.prompt.length };
      }),
    );
    const seconds = (performance.now() - begun) / 1000;
    const after = await metricsOf(server.url);
    const grown = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    const answered = answers.filter((one) => one !== undefined);
    const kept = answered.filter(({ exact }) => exact);
    return {
      firstMs: answered.map(({ firstMs }) => firstMs).toSorted((a, b) => a - b),
      requests: answers.length,
      refused: answers.length - answered.length,
      exact: kept.length,
      promptTokens: total(answered),
      exactTokens: total(kept),
      prefixTokens: grown("vllm:prefix_cache_hits_total"),
      engineTokens: grown("vllm:prefix_cache_queries_total"),
      seconds,
    };
  } finally {
    agent.destroy();
    await server.stop();
  }
}

function total(prompts: readonly { readonly length: number }[]): number {
  return prompts.reduce((sum, { length }) => sum + length, 0);
}

function warmUp(i: number): Replayed {
  return { atMs: 0, prompt: Array.from({ length: 64 }, (_, j) => 300 + i * 64 + j), maxTokens: 4 };
}

function bodyOf({ prompt, maxTokens }: Replayed): object {
  return {
    model: MODEL,
    prompt,
    max_tokens: maxTokens,
    temperature: 0,
    stream: true,
    // Answers are as long as the trace says: the end of a text is never chosen.
    logit_bias: { 2: -100 },
  };
}
