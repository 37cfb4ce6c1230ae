import type { BenchProfile, KernelRow } from "../bench-profile.ts";
import { table } from "./terminal.ts";

/** A profile for people: a row for each kernel, and one for the step. */
export function profileTable({ steps, wall_ns, clock_ns, kernels }: BenchProfile): string {
  const sum = (of: (row: KernelRow) => number): number =>
    kernels.reduce((total, row) => total + of(row), 0);
  const timed = clock_ns !== null;
  const least = sum((row) => row.least_weight_bytes);
  const rows = kernels.map((row) => [
    row.kernel,
    row.shape,
    ...cells(row),
    percent(row.least_weight_bytes / least),
    ...(timed ? [micros(row.ns ?? 0), percent(row.share ?? 0)] : []),
  ]);
  const step = {
    dispatches: sum((row) => row.dispatches),
    weight_bytes: sum((row) => row.weight_bytes),
    least_weight_bytes: least,
    activation_bytes: sum((row) => row.activation_bytes),
    cache_bytes: sum((row) => row.cache_bytes),
  };
  const total = ["a step", "", ...cells(step), "100 %"];
  const head = ["kernel", "shape", "dispatches", "weights kB", "× floor", "values kB", "cache kB"];
  const text = table(
    [
      [...head, "% of floor", ...(timed ? ["µs", "share"] : [])],
      ...rows,
      timed ? [...total, micros(sum((row) => row.ns ?? 0)), "100 %"] : total,
    ],
    [2, 3, 4, 5, 6, 7, 8, 9],
  );
  const clock = timed
    ? `µs by the device's clock, in steps of ${clock_ns} ns`
    : "the device takes no timestamps";
  return `${text}\n${steps} steps of ${micros(wall_ns)} µs, each dispatch in a pass of its own; ${clock}`;
}

function cells(row: Omit<KernelRow, "kernel" | "shape" | "ns" | "share">): readonly string[] {
  return [
    String(Number(row.dispatches.toFixed(2))),
    kilobytes(row.weight_bytes),
    row.least_weight_bytes === 0 ? "" : (row.weight_bytes / row.least_weight_bytes).toFixed(2),
    kilobytes(row.activation_bytes),
    kilobytes(row.cache_bytes),
  ];
}

function kilobytes(bytes: number): string {
  return bytes === 0 ? "" : (bytes / 1e3).toFixed(1);
}

function micros(ns: number): string {
  return (ns / 1e3).toFixed(1);
}

function percent(fraction: number): string {
  return Number.isNaN(fraction) ? "" : `${(100 * fraction).toFixed(1)} %`;
}
