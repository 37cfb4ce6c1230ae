import { spreadOf, type Spread } from "./statistics.ts";

/** One measured number of one fresh process. */
export interface Sample {
  /** Key of the peer, e.g. `node`, `llama`. */
  readonly peer: string;
  /** The peer for people, with its version. */
  readonly label: string;
  /** Key of the model, e.g. `q4_0`. */
  readonly model: string;
  /** Threads that were asked for. */
  readonly threads: number;
  /** Threads that computed; fewer where a peer has no more. */
  readonly ran: number;
  /** Whether other processes kept every core busy. */
  readonly busy: boolean;
  /** `pp128`, `tg64`, `tg64x8`: tokens per second; `start`: milliseconds; `rss`: bytes. */
  readonly test: string;
  readonly value: number;
  /** Bytes of keys and values, for `start` and `rss`. */
  readonly kvBytes?: number;
  readonly round: number;
}

/** All samples of one peer, model, number of threads, state and test. */
export interface Row extends Omit<Sample, "value" | "round">, Spread {}

/** A model as the tables name it. */
export interface ModelFacts {
  readonly key: string;
  readonly label: string;
  /** Bytes of weights in the file. */
  readonly weightBytes: number;
  /** Those that one token reads: all but an embedding that is not tied to the output. */
  readonly bytesPerToken: number;
}

/** Read bandwidth by number of threads, 10^9 bytes a second. */
export type Bandwidth = Readonly<Record<string, number>>;

/** Everything one run measured; what `.cache/bench/*.json` holds. */
export interface Report {
  readonly date: string;
  readonly commit: string;
  readonly command: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly system: string;
    /** What of the CPU's vector instructions decides about int8 products. */
    readonly vectors: readonly string[];
  };
  readonly node: string;
  readonly rounds: number;
  readonly loadBefore: number;
  readonly bandwidth: { readonly before: Bandwidth; readonly after: Bandwidth };
  readonly models: readonly ModelFacts[];
  /** Peers that were asked for and could not be measured, with the reason. */
  readonly missing: readonly string[];
  readonly samples: readonly Sample[];
}

/** Medians over the rounds, in the order in which they were first measured. */
export function rowsOf(samples: readonly Sample[]): readonly Row[] {
  const groups = Map.groupBy(samples, ({ peer, model, threads, busy, test }) =>
    [peer, model, threads, busy, test].join("|"),
  );
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { value: _value, round: _round, ...rest } = first;
    return [{ ...rest, ...spreadOf(group.map((sample) => sample.value)) }];
  });
}

/** What identifies a row; `threads` is 1 and `busy` false unless given. */
export interface RowKey {
  readonly peer: string;
  readonly model: string;
  readonly test: string;
  readonly threads?: number;
  readonly busy?: boolean;
}

export function findRow(rows: readonly Row[], key: RowKey): Row | undefined {
  const { peer, model, test, threads = 1, busy = false } = key;
  return rows.find(
    (row) =>
      row.peer === peer &&
      row.model === model &&
      row.test === test &&
      row.threads === threads &&
      row.busy === busy,
  );
}

/** 10^9 bytes of weights read a second; `undefined` for tests whose tokens share their reads in an unknown way. */
export function readRate(row: Row, model: ModelFacts): number | undefined {
  const [, sequences = "1"] = /^tg\d+(?:x(\d+))?$/.exec(row.test) ?? [undefined, undefined];
  if (!row.test.startsWith("tg")) return undefined;
  return (row.median * model.bytesPerToken) / Number(sequences) / 1e9;
}

/** The greater of the two readings: a percentage of it does not flatter. */
export function bandwidthOf(report: Report, threads: number): number {
  const { before, after } = report.bandwidth;
  return Math.max(before[threads] ?? 0, after[threads] ?? 0);
}
