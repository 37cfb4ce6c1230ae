import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { poissonArrivals } from "../../adapters/node/load-test/arrivals.ts";
import { hashKey } from "../../core/http/edge/key-hash.ts";
import { startServer } from "../fixtures/cli.ts";
import { ask, type Ending } from "./client.ts";
import { quantile, type Seen } from "./seen.ts";

/*
 * L7: one key sends prompts as long as the context all the time, more than there are slots. What does another key
 * notice that asks short questions now and then?
 */

const KEYS = { noisy: "sk-noisy", quiet: "sk-quiet" } as const;

/** Of the demo model, without the few tokens of the answer. */
const LONGEST_PROMPT = 2048 - 16;
const NOISY_TOKENS = 8;
/** More than slots, and than its part of the queue holds. */
const NOISY_CLIENTS = 16;

/** A question with a little history. */
const QUIET_PROMPT = 96;
const QUIET_TOKENS = 8;
const QUIET_PER_SECOND = 4;

/** Of other keys' time to first token, at the 95th percentile. */
const MOST_FACTOR = 1.5;

/** Ordinary tokens of the demo model's vocabulary; another beginning for each prompt. */
function promptOf(length: number, number: number): readonly number[] {
  let state = (number + 1) * 2_654_435_761;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return 300 + (state % 1700);
  });
}

const as = (key: keyof typeof KEYS) => ({ authorization: `Bearer ${KEYS[key]}` });

/** Ask so often for so long, and tell how each ended. */
async function quiet(url: string, milliseconds: number, seed: number): Promise<readonly Ending[]> {
  const plan = { rate: QUIET_PER_SECOND, durationMs: milliseconds, promptTokens: 0, maxTokens: 0 };
  const begun = performance.now();
  const running: Promise<Ending>[] = [];
  for (const { atMs } of poissonArrivals(plan, {}, seed)) {
    const wait = begun + atMs - performance.now();
    if (wait > 0) await sleep(wait);
    const prompt = promptOf(QUIET_PROMPT, seed * 100_000 + running.length);
    running.push(ask(url, { prompt, tokens: QUIET_TOKENS, stream: true, headers: as("quiet") }));
  }
  return Promise.all(running);
}

/** L7, watched for so long with and without the noise. */
export async function neighbour(milliseconds: number): Promise<Seen> {
  const folder = await mkdtemp(join(tmpdir(), "neighbour-"));
  const config = join(folder, "config.json");
  const keys = Object.entries(KEYS).map(async ([id, key]) => ({ id, hash: await hashKey(key) }));
  await writeFile(config, JSON.stringify({ keys: await Promise.all(keys) }));
  const server = await startServer(["--config", config]);
  try {
    const { url } = server;
    await quiet(url, Math.min(milliseconds, WARM_MS), 1);
    const alone = await quiet(url, milliseconds, 2);
    const over = new AbortController();
    let number = 0;
    const noise = Array.from({ length: NOISY_CLIENTS }, async () => {
      const endings: Ending[] = [];
      while (!over.signal.aborted) {
        const prompt = promptOf(LONGEST_PROMPT, 1_000_000 + number++);
        const asking = { prompt, tokens: NOISY_TOKENS, stream: true, headers: as("noisy") };
        const ending = await ask(url, asking);
        endings.push(ending);
        // As it is told to, at least; being refused is L6.
        if (ending.kind === "refused") await sleep(REFUSED_PAUSE_MS);
      }
      return endings;
    });
    await sleep(Math.min(milliseconds, WARM_MS));
    const beside = await quiet(url, milliseconds, 3);
    over.abort();
    const noisy = (await Promise.all(noise)).flat();
    const [before, after] = [firstP95(alone), firstP95(beside)];
    const answered = noisy.filter(({ kind }) => kind === "complete").length;
    const wrong = [...alone, ...beside].flatMap(({ kind, status, code }) =>
      kind === "complete" ? [] : [`a quiet request was ${kind}: ${status} ${code ?? ""}`],
    );
    if (answered === 0) wrong.push("no noise was answered: nothing was shown");
    if (after > MOST_FACTOR * before)
      wrong.push(`first tokens took ${(after / before).toFixed(2)} times as long`);
    return {
      figures: {
        questions: beside.length,
        "p95 ms to the first token alone": Math.round(before),
        "p95 ms beside": Math.round(after),
        times: (after / before).toFixed(2),
        "p50 ms alone": Math.round(firstAt(alone, 0.5)),
        "p50 ms beside": Math.round(firstAt(beside, 0.5)),
        "noisy answers": answered,
        "noisy refused": noisy.length - answered,
      },
      wrong,
    };
  } finally {
    await server.stop();
    await rm(folder, { recursive: true });
  }
}

const WARM_MS = 3000;
const REFUSED_PAUSE_MS = 1000;

const firstAt = (endings: readonly Ending[], share: number): number =>
  quantile(
    endings.flatMap(({ firstMs }) => firstMs ?? []),
    share,
  );
const firstP95 = (endings: readonly Ending[]): number => firstAt(endings, 0.95);
