import { expect, test } from "vitest";
import { createMetrics, MAX_SERIES, OVERFLOW_LABEL } from "../../../core/metrics/metrics.ts";
import * as names from "../../../core/metrics/names.ts";
import { parsePrometheus } from "../../fixtures/prometheus.ts";

test("counters, gauges and histograms are written in the Prometheus text format", () => {
  const metrics = createMetrics();
  metrics
    .counter({ type: "counter", name: "c_total", help: "A\\b\nc.", labels: ["l"] }, { l: 'x"\\\n' })
    .add(2);
  metrics.gauge({ type: "gauge", name: "g", help: "G.", labels: [] }, {}).set(-1.5);
  const spec = {
    type: "histogram",
    name: "h",
    help: "H.",
    labels: ["l"],
    buckets: [0.5, 1],
  } as const;
  const histogram = metrics.histogram(spec, { l: "x" });
  for (const value of [0.25, 0.5, 0.75, 3]) histogram.observe(value);
  expect(metrics.render()).toBe(
    [
      "# HELP c_total A\\\\b\\nc.",
      "# TYPE c_total counter",
      'c_total{l="x\\"\\\\\\n"} 2',
      "# HELP g G.",
      "# TYPE g gauge",
      "g -1.5",
      "# HELP h H.",
      "# TYPE h histogram",
      'h_bucket{l="x",le="0.5"} 2',
      'h_bucket{l="x",le="1"} 3',
      'h_bucket{l="x",le="+Inf"} 4',
      'h_sum{l="x"} 4.5',
      'h_count{l="x"} 4',
      "",
    ].join("\n"),
  );
});

test("the same labels are the same series", () => {
  const metrics = createMetrics();
  for (let i = 0; i < 3; i++) metrics.counter(names.REQUESTS, { code_class: "2xx" }).add();
  const { samples } = parsePrometheus(metrics.render());
  expect([...samples]).toEqual([['sirocco_requests_total{code_class="2xx"}', 3]]);
});

test("a metric has at most MAX_SERIES series; the rest goes to one called other and is counted", () => {
  const metrics = createMetrics();
  const count = MAX_SERIES + 50;
  for (let i = 0; i < count; i++) metrics.counter(names.REQUESTS, { code_class: `${i}` }).add();
  const { samples } = parsePrometheus(metrics.render());
  const own = [...samples.keys()].filter((name) => name.startsWith("sirocco_requests_total"));
  expect(own).toHaveLength(MAX_SERIES + 1);
  expect(samples.get(`sirocco_requests_total{code_class="${OVERFLOW_LABEL}"}`)).toBe(50);
  expect(samples.get('sirocco_metric_overflow_total{metric="sirocco_requests_total"}')).toBe(50);
});

test("a counter never goes back", () => {
  const counter = createMetrics().counter(names.REQUESTS, { code_class: "2xx" });
  expect(() => counter.add(-1)).toThrow(RangeError);
  expect(() => counter.add(Number.NaN)).toThrow(RangeError);
});

test("collectors run before every rendering", () => {
  const metrics = createMetrics();
  let value = 0;
  metrics.onRender(() => metrics.gauge(names.MEMORY_BYTES, { kind: "kv" }).set(++value));
  metrics.render();
  expect(parsePrometheus(metrics.render()).samples.get('sirocco_memory_bytes{kind="kv"}')).toBe(2);
});

test("the ontology is sound: names are unique and well formed, counters end in _total, buckets ascend", () => {
  const specs = Object.values(names);
  expect(new Set(specs.map(({ name }) => name)).size).toBe(specs.length);
  for (const spec of specs) {
    expect(spec.name).toMatch(/^(vllm:|sirocco_)[a-z0-9_]+$/);
    expect(spec.name.endsWith("_total")).toBe(spec.type === "counter");
    expect(spec.help).toMatch(/\.$/);
    if (spec.type !== "histogram") continue;
    expect(spec.buckets).toEqual(spec.buckets.toSorted((a, b) => a - b));
    expect(new Set(spec.buckets).size).toBe(spec.buckets.length);
  }
});
