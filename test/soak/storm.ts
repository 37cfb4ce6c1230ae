import { setTimeout as sleep } from "node:timers/promises";
import { ask } from "./client.ts";
import { steady } from "./profiles.ts";
import type { Seen } from "./seen.ts";

/** Clients that come back at once; more than slots and queue hold. */
const CLIENTS = 60;

/** Of the answers in the same time before the storm. */
const LEAST_RECOVERY = 0.95;

/**
 * L6: clients that ask again as soon as they are refused, for so long, then stop. Before and after it others are
 * counted who ask one after the other.
 */
export async function storm(
  url: string,
  truth: readonly string[],
  milliseconds: number,
  measureMs: number,
): Promise<Seen> {
  const before = await steady(url, truth, 8, measureMs);
  const end = performance.now() + milliseconds;
  let refused = 0;
  const wrong: string[] = [];
  await Promise.all(
    Array.from({ length: CLIENTS }, async (_, i) => {
      for (let turn = 0; performance.now() < end; turn++) {
        const asking = { prompt: `Storm ${i}, ${turn}:`, tokens: 24, stream: false };
        const { kind, status, code, retryAfter } = await ask(url, asking);
        if (kind !== "refused") continue;
        refused++;
        if (status !== 429 || code !== "queue_full" || Number(retryAfter) < 1)
          wrong.push(`refused with ${status} ${code ?? ""}, retry-after ${retryAfter ?? "absent"}`);
      }
    }),
  );
  if (refused === 0) wrong.push("nobody was refused: this was no storm");
  // What the last ones asked is computed as well.
  await sleep(Math.min(measureMs / 4, 1000));
  const after = await steady(url, truth, 8, measureMs);
  const share = answers(after) / answers(before);
  if (share < LEAST_RECOVERY)
    wrong.push(`${Math.round(100 * share)} % as many answers as before the storm`);
  return {
    figures: {
      refused,
      "answers before": answers(before),
      "in the same time after": answers(after),
    },
    wrong: [...before.wrong, ...wrong, ...after.wrong],
  };
}

const answers = ({ figures }: Seen): number => Number(figures["answers"]);
