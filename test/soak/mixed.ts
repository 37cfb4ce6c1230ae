import { startWatched, type LiveHeap } from "./live-heap.ts";
import { memoryOf, reference, rude } from "./profiles.ts";
import { slope, type Seen } from "./seen.ts";

/*
 * L8: the rude and the polite for a long time, and what a server keeps meanwhile. Its resident memory holds garbage
 * that nobody has collected yet, so that it is looked at after collections, and so are all objects that live then.
 */

/** Rounds between two looks, in full and in short. */
const ROUNDS = 6;
const FEW_ROUNDS = 1;

/** The first part of a run fills caches that have a bound, and lets compilers work. */
const WARM_SHARE = 1 / 4;

/** Fewer say nothing. */
const LEAST_LOOKS = 4;

/** Of resident memory, from the first look after warming up to the last. */
const MOST_GROWTH = 1.1;

/** Bytes that may be kept of a round's eight requests: what is left of caches that fill, and no object of a request. */
const MOST_KEPT = 4 * 1024;
/** In a few seconds nothing is full yet. */
const MOST_KEPT_AT_FIRST = 256 * 1024;

const MIB = 2 ** 20;

/** What lives, and what is resident, after so many rounds. */
interface Look extends LiveHeap {
  readonly round: number;
  readonly resident: number;
}

/** L8 for so long; for no time at all as short as says anything. */
export async function mixed(minutes: number): Promise<Seen> {
  const server = await startWatched();
  try {
    const { url } = server;
    const truth = await reference(url);
    const end = performance.now() + minutes * 60_000;
    const [rounds, mostKept] = minutes > 0 ? [ROUNDS, MOST_KEPT] : [FEW_ROUNDS, MOST_KEPT_AT_FIRST];
    const looks: Look[] = [];
    const wrong: string[] = [];
    let round = 0;
    while (performance.now() < end || looks.length < LEAST_LOOKS) {
      wrong.push(...(await rude(url, truth, rounds)).wrong);
      round += rounds;
      const heap = await server.collect();
      looks.push({ round, ...heap, resident: (await memoryOf(url)) ?? NaN });
    }
    const warm = looks.slice(Math.floor(looks.length * WARM_SHARE));
    const [first, last] = [warm[0]!, warm.at(-1)!];
    const perRound = slope(warm.map((look) => [look.round, look.objects + look.outside]));
    if (perRound > mostKept) wrong.push(`${Math.round(perRound)} bytes of each round stay`);
    if (minutes > 0 && last.resident > MOST_GROWTH * first.resident)
      wrong.push(
        `resident memory grew from ${toMib(first.resident)} to ${toMib(last.resident)} MiB`,
      );
    const live = ({ objects, outside }: Look): string => toMib(objects + outside);
    return {
      figures: {
        rounds: round,
        "MiB alive": `${live(first)} to ${live(last)}`,
        "bytes that stay of a round": Math.round(perRound),
        "MiB resident": `${toMib(first.resident)} to ${toMib(last.resident)}`,
        "MiB resident in 10 min": (10 * slopePerMinute(warm, minutes / looks.length)).toFixed(2),
      },
      wrong,
    };
  } finally {
    await server.stop();
  }
}

function slopePerMinute(looks: readonly Look[], minutesEach: number): number {
  return slope(looks.map(({ resident }, i) => [i * minutesEach, resident / MIB]));
}

const toMib = (bytes: number): string => (bytes / MIB).toFixed(1);
