import { readModels, type PoolModel } from "./node-models.ts";
import type { Transport } from "./transport.ts";

/** A probe takes a millisecond; a node that needs longer than this is not to be waited for. */
const PROBE_TIMEOUT_MS = 1000;

/** A list of models is some kilobytes. */
const MOST_LIST_CHARS = 1024 * 1024;

/** What a node says of itself. */
export interface NodeSays {
  /** Whether it wants requests. */
  readonly ready: boolean;
  /** Whether it keeps answers, and then computes equal requests once. */
  readonly keeps: boolean;
}

/** What the node at `origin` says, by `/readyz`. Rejects where nobody answers in time. */
export async function probeReady(transport: Transport, origin: string): Promise<NodeSays> {
  const { status, text } = await get(transport, `${origin}/readyz`, {});
  const ready = status === 200;
  return { ready, keeps: ready && /"keeps_answers": ?true/.test(text) };
}

/** The models of a node. Rejects where nobody answers in time, or something else does. */
export async function probeModels(
  transport: Transport,
  origin: string,
  headers: Readonly<Record<string, string>>,
): Promise<readonly PoolModel[]> {
  const { status, text } = await get(transport, `${origin}/v1/models`, headers);
  if (status !== 200) throw new Error(`GET /v1/models: ${status}`);
  return readModels(JSON.parse(text));
}

async function get(
  transport: Transport,
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly status: number; readonly text: string }> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), PROBE_TIMEOUT_MS);
  try {
    const { signal } = controller;
    const { status, body } = await transport.send(url, { method: "GET", headers, signal });
    const decoder = new TextDecoder();
    let text = "";
    for await (const bytes of body) {
      text += decoder.decode(bytes, { stream: true });
      if (text.length > MOST_LIST_CHARS) throw new Error(`${url} says too much`);
    }
    return { status, text };
  } finally {
    clearTimeout(timer);
  }
}
