import type { Allocator } from "../tensor/backend.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Activations by their names, for a step of so many rows. */
export type Activations<K extends string> = (rows: number) => Readonly<Record<K, Tensor>>;

/**
 * Activations of the largest step, each [maxRows, ...shape], and views of their first rows: made once for
 * each number of rows, so that a step of a known size allocates nothing. Throws `RangeError` when they
 * cannot fit.
 */
export function createActivations<K extends string>(
  backend: Allocator,
  maxRows: number,
  shapes: Readonly<Record<K, readonly number[]>>,
): Activations<K> {
  const names = Object.keys(shapes) as K[];
  const whole = names.map((name) => backend.alloc(name, [maxRows, ...shapes[name]]));
  return memoise((rows) => {
    const views = whole.map((tensor) => backend.view(tensor, rows));
    return Object.fromEntries(names.map((name, i) => [name, views[i]!])) as Record<K, Tensor>;
  });
}

/** Remember what `make` made for each number of rows. */
export function memoise<T>(make: (rows: number) => T): (rows: number) => T {
  const made = new Map<number, T>();
  return (rows) => {
    let value = made.get(rows);
    if (value === undefined) {
      value = make(rows);
      made.set(rows, value);
    }
    return value;
  };
}
