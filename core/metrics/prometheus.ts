import type { CounterSpec, GaugeSpec, HistogramSpec } from "./names.ts";

/** A metric with all its series. */
export interface Family {
  readonly spec: CounterSpec | GaugeSpec | HistogramSpec;
  readonly series: Map<string, Series>;
}

/** One combination of label values. */
export interface Series {
  readonly labels: readonly string[];
  /** The value; of a histogram the number of observations. */
  value: number;
  /** Of a histogram: the sum of what was observed. */
  sum: number;
  /** [buckets] Of a histogram: observations per bucket, not yet added up. */
  readonly counts: Float64Array;
}

/** Content type of what {@linkcode renderFamily} writes. */
export const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** A metric in the Prometheus text format 0.0.4. */
export function renderFamily({ spec, series }: Family): string {
  const lines = [
    `# HELP ${spec.name} ${spec.help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`,
    `# TYPE ${spec.name} ${spec.type}`,
  ];
  for (const one of series.values()) {
    const labels = spec.labels.map((name, i) => `${name}="${escapeLabel(one.labels[i] ?? "")}"`);
    if (spec.type !== "histogram") {
      lines.push(sample(spec.name, labels, one.value));
      continue;
    }
    let below = 0;
    for (const [i, bound] of spec.buckets.entries()) {
      below += one.counts[i] ?? 0;
      lines.push(sample(`${spec.name}_bucket`, [...labels, `le="${bound}"`], below));
    }
    lines.push(sample(`${spec.name}_bucket`, [...labels, `le="+Inf"`], one.value));
    lines.push(sample(`${spec.name}_sum`, labels, one.sum));
    lines.push(sample(`${spec.name}_count`, labels, one.value));
  }
  return `${lines.join("\n")}\n`;
}

function sample(name: string, labels: readonly string[], value: number): string {
  const braces = labels.length === 0 ? "" : `{${labels.join(",")}}`;
  return `${name}${braces} ${toNumber(value)}`;
}

function toNumber(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return String(value);
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
