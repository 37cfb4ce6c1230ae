import { digits, spreadOf } from "../statistics.ts";
import { markdown } from "../tables.ts";
import type { LargeRun } from "./run.ts";

/** A run of a model. */
export interface LargeMeasurement {
  readonly model: string;
  readonly fileBytes: number;
  readonly run: LargeRun;
}

/** A row for each model and number of threads, beside what as many threads can read (10^9 bytes per second). */
export function largeTable(
  measurements: readonly LargeMeasurement[],
  bandwidth: Readonly<Record<string, number>>,
): string {
  const groups = Map.groupBy(measurements, ({ model, run }) => `${model} ${run.threads}`);
  const rows = [...groups.values()].map((group) => {
    const { model, fileBytes, run } = group[0]!;
    // Medians of parts, so that a neighbour's moment does not count.
    const speed = spreadOf(group.flatMap((one) => one.run.speeds));
    const rate = (speed.median * run.bytesPerToken) / 1e9;
    const limit = bandwidth[run.threads];
    const share = limit === undefined ? "–" : `${((100 * rate) / limit).toFixed(0)} %`;
    const peak = Math.max(...group.map((one) => one.run.peakRss));
    const seconds = spreadOf(group.map((one) => one.run.loadSeconds));
    return [
      model,
      String(run.threads),
      gigabytes(fileBytes),
      gigabytes(run.bytesPerToken),
      `${digits(speed.median)} (${digits(speed.least)}–${digits(speed.greatest)})`,
      `${rate.toFixed(1)}, ${share}`,
      digits(seconds.median),
      gigabytes(peak),
      `${(peak / (fileBytes + run.kvBytes)).toFixed(2)} ×`,
    ];
  });
  return markdown(
    [
      "model",
      "threads",
      "file, GB",
      "read for a token, GB",
      "tokens/s",
      "GB/s, of bandwidth",
      "load, s",
      "peak RSS, GB",
      "peak / (file + KV)",
    ],
    rows,
  );
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(2);
}
