import { expect } from "vitest";
import type { AnswerCaching, AppDeps, LogRecord } from "../../../core/http/deps.ts";
import { createPool, type Pool, type PoolEvent } from "../../../core/pool/pool.ts";
import { createUpstream } from "../../../core/pool/upstream.ts";
import {
  createAppTransport,
  type AppTransport,
  type ReachedApp,
} from "../../fixtures/app-transport.ts";
import { answersInMemory } from "../../fixtures/kept-answers.ts";
import { createScriptedApp, eventsOf, type ScriptedApp } from "../../fixtures/scripted-app.ts";
import type { Script } from "../../fixtures/scripted-engine.ts";

export const CHAT = "/v1/chat/completions";
export const ask = { model: "m", temperature: 0, messages: [{ role: "user", content: "Hello" }] };
export const TEXT = "The quick brown fox jumps over the lazy dog";

export interface Rig {
  readonly edge: ScriptedApp;
  readonly pool: Pool;
  readonly nodes: readonly ScriptedApp[];
  readonly reached: Record<string, ReachedApp>;
  readonly sent: AppTransport["sent"];
  readonly cuts: number[];
  readonly events: PoolEvent[];
  readonly logs: LogRecord[];
}

/** An edge without a model, or with one, in front of nodes that follow scripts. */
export async function open(
  scripts: readonly Script[],
  {
    local,
    deps = {},
    nodeDeps = {},
    key,
  }: {
    readonly local?: Script;
    readonly deps?: Partial<AppDeps>;
    readonly nodeDeps?: Partial<AppDeps>;
    readonly key?: string;
  } = {},
): Promise<Rig> {
  const nodes = scripts.map((script) => createScriptedApp(script, nodeDeps));
  const reached: Record<string, ReachedApp> = {};
  for (const [i, { app }] of nodes.entries())
    reached[`http://node-${i}`] = { fetch: (request) => app.fetch(request) };
  const transport = createAppTransport(reached);
  const events: PoolEvent[] = [];
  const logs: LogRecord[] = [];
  const pool = createPool({
    nodes: nodes.map((_, i) => ({ name: `n${i}`, origin: `http://node-${i}` })),
    transport,
    now: () => performance.now(),
    random: () => 0.5,
    log: (record) => logs.push(record),
    onEvent: (event) => events.push(event),
    ...(key === undefined ? {} : { key }),
  });
  await pool.tend();
  const edge = createScriptedApp(
    local,
    local === undefined ? { models: () => [], pool, ...deps } : { pool, ...deps },
  );
  return { edge, pool, nodes, reached, sent: transport.sent, cuts: transport.cuts, events, logs };
}

export const steady = (script: Script = {}): Script => ({ reply: TEXT, ...script });
export const full: Script = steady({ failAt: { index: 0, error: "QUEUE_FULL" } });
export const served = (response: Response) => response.headers.get("x-sirocco-served-by");
export const asked = (nodes: readonly ScriptedApp[]) =>
  nodes.map(({ engine }) => engine.requests.length);

export async function contentOf(response: Response): Promise<string> {
  const body = (await response.json()) as { choices: { message: { content: string } }[] };
  return body.choices[0]!.message.content;
}

export async function streamedText(response: Response): Promise<string> {
  const chunks = (await eventsOf(response)) as unknown as {
    choices: { delta: { content?: string } }[];
    error?: object;
  }[];
  expect(chunks.filter(({ error }) => error !== undefined)).toEqual([]);
  return chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
}

export function caching(wallClock: () => number = Date.now, shares = true): AnswerCaching {
  return {
    answers: answersInMemory({ wallClock, shares }),
    stale: { whileRevalidateMs: 60_000, ifErrorMs: 300_000 },
    verifyOneIn: 0,
    wallClock,
    background: (work) => void work.catch(() => {}),
  };
}

export const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));
export const failing = (error: "INTERNAL" | "QUEUE_FULL"): Script =>
  steady({ failAt: { index: 0, error } });

/** An upstream and what was sent to it. */
export const provider = (down = false) => {
  const app = createScriptedApp({ reply: "from afar" }, {}, { id: "gpt" });
  const reached: Record<string, ReachedApp> = {
    "http://provider": { fetch: (request) => app.app.fetch(request), down },
  };
  const transport = createAppTransport(reached);
  const logs: LogRecord[] = [];
  const upstream = createUpstream({
    url: "http://provider/v1/",
    key: "sk-provider",
    model: "gpt",
    transport,
    // It stands still: no pause is over, no minute passes.
    now: () => 0,
    log: (record) => logs.push(record),
    requestsPerMinute: 20,
  });
  return { upstream, sent: transport.sent, cuts: transport.cuts, logs };
};

/** Resolves when something has become so; rejects after a while. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; !(await condition()); i++) {
    if (i > 500) throw new Error("It did not come to that");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
