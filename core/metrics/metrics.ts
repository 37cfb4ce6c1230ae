import { SERIES_OVERFLOW, type CounterSpec, type GaugeSpec, type HistogramSpec } from "./names.ts";
import { renderFamily, type Family, type Series } from "./prometheus.ts";

/** Values of a metric's labels. */
export type Labels<L extends string> = Readonly<Record<L, string>>;

/** One series of a counter. */
export interface Counter {
  /** Count up, by 1 unless given. */
  add(amount?: number): void;
  /** Take over a count kept elsewhere, such as the engine's own. */
  record(total: number): void;
}

/** One series of a gauge. */
export interface Gauge {
  /** Replace the value. */
  set(value: number): void;
}

/** One series of a histogram. */
export interface Histogram {
  /** Count a value into its bucket. */
  observe(value: number): void;
}

/** What the server counts. Handles may be kept: using one costs no look-up. */
export interface Metrics {
  /** The counter of these labels, made when first asked for. */
  counter<L extends string>(spec: CounterSpec<L>, labels: Labels<L>): Counter;
  /** The gauge of these labels, made when first asked for. */
  gauge<L extends string>(spec: GaugeSpec<L>, labels: Labels<L>): Gauge;
  /** The histogram of these labels, made when first asked for. */
  histogram<L extends string>(spec: HistogramSpec<L>, labels: Labels<L>): Histogram;
  /** Called before each rendering, to bring gauges up to date. */
  onRender(collect: () => void): void;
  /** Prometheus text format 0.0.4. */
  render(): string;
}

/** Series of one metric: what a Prometheus server bears; more means that a label is not bounded. */
export const MAX_SERIES = 2000;

/** The label value of the series that takes what is over {@linkcode MAX_SERIES}. */
export const OVERFLOW_LABEL = "other";

/** An empty set of metrics. */
export function createMetrics(): Metrics {
  const families = new Map<string, Family>();
  const collectors: (() => void)[] = [];

  function series(spec: Family["spec"], labels: Readonly<Record<string, string>>): Series {
    let family = families.get(spec.name);
    if (family === undefined) {
      family = { spec, series: new Map() };
      families.set(spec.name, family);
    }
    let values = spec.labels.map((label) => labels[label] ?? "");
    let key = JSON.stringify(values);
    let found = family.series.get(key);
    if (found === undefined && family.series.size >= MAX_SERIES && values.length > 0) {
      counter(SERIES_OVERFLOW, { metric: spec.name }).add();
      values = values.map(() => OVERFLOW_LABEL);
      key = JSON.stringify(values);
      found = family.series.get(key);
    }
    if (found === undefined) {
      const buckets = spec.type === "histogram" ? spec.buckets.length : 0;
      found = { labels: values, value: 0, sum: 0, counts: new Float64Array(buckets) };
      family.series.set(key, found);
    }
    return found;
  }

  function counter<L extends string>(spec: CounterSpec<L>, labels: Labels<L>): Counter {
    const one = series(spec, labels);
    return {
      add(amount = 1) {
        if (!(amount >= 0))
          throw new RangeError(`Cannot add ${amount} to ${spec.name}: it only grows`);
        one.value += amount;
      },
      record(total) {
        one.value = total;
      },
    };
  }

  return {
    counter,
    gauge(spec, labels) {
      const one = series(spec, labels);
      return {
        set(value) {
          one.value = value;
        },
      };
    },
    histogram(spec, labels) {
      const one = series(spec, labels);
      const { buckets } = spec;
      return {
        observe(value) {
          let i = 0;
          while (i < buckets.length && value > buckets[i]!) i++;
          if (i < buckets.length) one.counts[i]! += 1;
          one.value++;
          one.sum += value;
        },
      };
    },
    onRender(collect) {
      collectors.push(collect);
    },
    render() {
      for (const collect of collectors) collect();
      return Array.from(families.values(), renderFamily).join("");
    },
  };
}
