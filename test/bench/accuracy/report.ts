import type { KvType } from "../../../core/tensor/kv-type.ts";
import { markdown } from "../tables.ts";
import { expectedPercent, type Comparison } from "./paired.ts";

/** What rounding activations may cost, in percent of perplexity. */
export const LARGEST_INCREASE = 0.3;

/** One quantisation of the model. */
export interface AccuracyRow {
  readonly kind: string;
  /** What the weights are, the type with most bytes first: `q8_0 71 %, q5_0 29 %`. */
  readonly mix: string;
  /** Largest difference of a logit between the f32 products and the reference backend, over a short text. */
  readonly logitError: number;
  /** Largest logit of that text. */
  readonly largestLogit: number;
  /** Perplexity with f32 activations. */
  readonly exactPpl: number;
  /** int8 activations against f32. */
  readonly activations: Comparison;
  /** A type of the cache against f32, both with f32 activations: int8 ones would round anew whatever the cache changes. */
  readonly cache: Readonly<Partial<Record<KvType, Comparison>>>;
}

/** One run. */
export interface AccuracyReport {
  readonly date: string;
  readonly commit: string;
  readonly command: string;
  readonly node: string;
  readonly chunks: number;
  readonly chunkLength: number;
  readonly text: string;
  readonly rows: readonly AccuracyRow[];
}

/** What is between the markers of PERFORMANCE.md. */
export function accuracyBlock(report: AccuracyReport): string {
  const { command, commit, date, node, chunks, chunkLength, text, rows } = report;
  const [first] = rows;
  const judged = first === undefined ? 0 : first.activations.tokens;
  const lines = [
    `\`${command}\` at commit ${commit}, ${date.slice(0, 10)}, Node ${node}: ` +
      `${chunks} × ${chunkLength} tokens of ${text}, ${judged} judged.`,
    "",
    markdown(
      [
        "file",
        "weights",
        "f32 activations",
        "int8",
        "increase, 95 %",
        "rms of a token, nats",
        "increase expected of it",
      ],
      rows.map(activationRow),
    ),
  ];
  const cached = rows.flatMap((row) =>
    Object.entries(row.cache).map(([type, comparison]) => [
      row.kind,
      type,
      comparison.ppl.toFixed(4),
      increase(comparison),
      comparison.rms.toFixed(4),
      signed(expectedPercent(comparison.rms)),
    ]),
  );
  if (cached.length > 0) {
    const head = ["file", "cache", "perplexity", "increase over an f32 cache, 95 %"];
    lines.push("", markdown([...head, "rms of a token, nats", "increase expected of it"], cached));
  }
  return lines.join("\n");
}

function activationRow({ kind, mix, exactPpl, activations }: AccuracyRow): readonly string[] {
  return [
    kind,
    mix,
    exactPpl.toFixed(4),
    activations.ppl.toFixed(4),
    increase(activations),
    activations.rms.toFixed(4),
    signed(expectedPercent(activations.rms)),
  ];
}

/** `+0.24 ± 0.11 %` */
function increase({ percent, margin }: Comparison): string {
  return `${signed(percent).replace(" %", "")} ± ${margin.toFixed(2)} %`;
}

function signed(percent: number): string {
  return `${percent < 0 ? "−" : "+"}${Math.abs(percent).toFixed(2)} %`;
}
