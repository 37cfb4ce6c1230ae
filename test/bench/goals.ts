import {
  bandwidthOf,
  findRow,
  readRate,
  rowsOf,
  type Report,
  type Row,
  type RowKey,
} from "./report.ts";
import { markdown } from "./tables.ts";

/** What sirocco wants to reach, as a ratio that the run answers. */
interface Goal {
  readonly what: string;
  /** `least`: at least so much; `most`: at most. */
  readonly bound: readonly ["least" | "most", number];
  /** `undefined` where the run lacks one side. */
  ratio(find: (key: RowKey) => Row | undefined, report: Report): number | undefined;
}

/** The WebAssembly peers; the best of them is what counts. */
const WASM_PEERS = ["wllama2", "wllama3"];
const GOALS: readonly Goal[] = [
  native("decode Q4_0", "q4_0", "tg64", 1, 1),
  native("decode Q4_0", "q4_0", "tg64", 2, 1.5),
  bestWasm("decode Q4_0", "q4_0", "tg64", 3),
  native("decode Q8_0", "q8_0", "tg64", 1, 0.9),
  native("decode Q8_0", "q8_0", "tg64", 2, 0.9),
  bestWasm("decode Q8_0", "q8_0", "tg64", 2),
  native("decode Q4_K_M", "q4_k_m", "tg64", 1, 0.9),
  native("decode Q4_K_M", "q4_k_m", "tg64", 2, 0.9),
  bestWasm("decode Q4_K_M", "q4_k_m", "tg64", 2),
  ...["q4_0", "q8_0"].flatMap((model) =>
    ["pp128", "pp512"].flatMap((test) => [
      native(`${test} ${model.toUpperCase()}`, model, test, 1, 0.6),
      native(`${test} ${model.toUpperCase()}`, model, test, 2, 0.8),
    ]),
  ),
  bestWasm("pp128 Q4_0", "q4_0", "pp128", 4),
  bestWasm("pp128 Q8_0", "q8_0", "pp128", 2.5),
  ...[1, 2].map((threads): Goal => ({
    what: `decode of the 1.1 B model, part of the read bandwidth of ${inThreads(threads)}`,
    bound: ["least", 0.85],
    ratio(find, report) {
      const row = find({ peer: "node", model: "1b", test: "tg64", threads });
      const model = report.models.find(({ key }) => key === "1b");
      if (row?.ran !== threads || model === undefined) return undefined;
      return (readRate(row, model) ?? 0) / bandwidthOf(report, threads);
    },
  })),
  {
    what: "8 sequences decoded together against one, Q4_0, 1 thread",
    bound: ["least", 3.5],
    ratio: (find) =>
      over(
        find({ peer: "node", model: "q4_0", test: "tg64x8" }),
        find({ peer: "node", model: "q4_0", test: "tg64" }),
      ),
  },
  {
    what: "load to first token, Q4_0, against native",
    bound: ["most", 1],
    ratio: (find) =>
      over(
        find({ peer: "node", model: "q4_0", test: "start" }),
        find({ peer: "llama", model: "q4_0", test: "start" }),
      ),
  },
  ...["q4_0", "1b"].flatMap((key): readonly Goal[] => [
    {
      what: `peak RSS against weights + KV, ${modelName(key)}`,
      bound: ["most", 1.15],
      ratio(find, report) {
        const row = find({ peer: "node", model: key, test: "rss" });
        const model = report.models.find((candidate) => candidate.key === key);
        if (row === undefined || model === undefined) return undefined;
        return row.median / (model.weightBytes + (row.kvBytes ?? 0));
      },
    },
    {
      what: `peak RSS against native's, ${modelName(key)}`,
      bound: ["most", 1],
      ratio: (find) =>
        over(
          find({ peer: "node", model: key, test: "rss" }),
          find({ peer: "llama", model: key, test: "rss" }),
        ),
    },
  ]),
  ...["bun", "deno"].map((peer): Goal => ({
    what: `decode Q4_0 on ${peer === "bun" ? "Bun" : "Deno"} against Node, 1 thread`,
    bound: ["least", 0.85],
    ratio: (find) =>
      over(
        find({ peer, model: "q4_0", test: "tg64" }),
        find({ peer: "node", model: "q4_0", test: "tg64" }),
      ),
  })),
  {
    what: "2 threads against 1 with every core loaded, decode Q4_0",
    bound: ["least", 0.9],
    ratio(find) {
      const key = { peer: "node", model: "q4_0", test: "tg64", busy: true };
      const two = find({ ...key, threads: 2 });
      // One thread that ran under the name of two would reach the goal without having done anything.
      return two?.ran === 2 ? over(two, find(key)) : undefined;
    },
  },
];

/** Every goal, what the run says to it, and whether that is reached. */
export function goalsTable(report: Report): string {
  const rows = rowsOf(report.samples);
  const find = (key: RowKey): Row | undefined => findRow(rows, key);
  const lines = GOALS.map((goal) => {
    const [bound, limit] = goal.bound;
    const ratio = goal.ratio(find, report);
    const wanted = `${bound === "least" ? "≥" : "≤"} ${limit} ×`;
    if (ratio === undefined) return [goal.what, wanted, "not measured", ""];
    const reached = bound === "least" ? ratio >= limit : ratio <= limit;
    return [goal.what, wanted, `${ratio.toFixed(2)} ×`, reached ? "yes" : "no"];
  });
  return markdown(["goal (sirocco on Node)", "wanted", "measured", "reached"], lines);
}

function native(what: string, model: string, test: string, threads: number, limit: number): Goal {
  return {
    what: `${what} against native, ${inThreads(threads)}`,
    bound: ["least", limit],
    ratio(find) {
      const ours = find({ peer: "node", model, test, threads });
      // Fewer threads than asked for are another question.
      if (ours?.ran !== threads) return undefined;
      return over(ours, find({ peer: "llama", model, test, threads }));
    },
  };
}

function bestWasm(what: string, model: string, test: string, limit: number): Goal {
  return {
    what: `${what} against the best WebAssembly peer, 1 thread`,
    bound: ["least", limit],
    ratio(find) {
      const best = WASM_PEERS.flatMap((peer) => find({ peer, model, test }) ?? []).toSorted(
        (a, b) => b.median - a.median,
      )[0];
      return over(find({ peer: "node", model, test }), best);
    },
  };
}

function over(ours: Row | undefined, theirs: Row | undefined): number | undefined {
  return ours === undefined || theirs === undefined ? undefined : ours.median / theirs.median;
}

function inThreads(threads: number): string {
  return `${threads} thread${threads === 1 ? "" : "s"}`;
}

function modelName(key: string): string {
  return key === "1b" ? "1.1 B Q4_0" : key.toUpperCase();
}
