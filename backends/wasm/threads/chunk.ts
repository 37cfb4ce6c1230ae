import type { Kernel } from "../kernels.ts";
import { ACTIVE, CHUNK_MASK, DONE, LEADER_SLEEPS, PART, REGION, TICKET } from "./control.ts";

/** The kernels over each memory. */
export type Tables = readonly (readonly Kernel[])[];

/** Take chunks of the current region and compute them until none is left; whether there was one. */
export function takeChunks(control: Int32Array, tables: Tables): boolean {
  let took = false;
  for (;;) {
    const ticket = Atomics.load(control, TICKET);
    const left = ticket & CHUNK_MASK;
    if (left === 0) return took;
    if (Atomics.compareExchange(control, TICKET, ticket, ticket - 1) !== ticket) continue;
    took = true;
    compute(control, tables, left - 1);
    Atomics.add(control, DONE, 1);
  }
}

/** As {@linkcode takeChunks} for member `index`: it heeds ACTIVE and wakes a leader that sleeps. */
export function helpWith(control: Int32Array, tables: Tables, index: number): boolean {
  if (index >= Atomics.load(control, ACTIVE)) return false;
  const took = takeChunks(control, tables);
  if (took && Atomics.load(control, LEADER_SLEEPS) !== 0) Atomics.notify(control, DONE);
  return took;
}

function compute(control: Int32Array, tables: Tables, chunk: number): void {
  let part = REGION + 1;
  const last = part + (control[REGION]! - 1) * PART.words;
  while (part < last && control[part + PART.words + PART.firstChunk]! <= chunk) part += PART.words;
  const grain = control[part + PART.grain]!;
  const first = (chunk - control[part + PART.firstChunk]!) * grain;
  const end = Math.min(first + grain, control[part + PART.units]!);
  const steps = control[part + PART.steps]!;
  const table = tables[control[part + PART.memory]!]!;
  for (let i = 0; i < steps; i++) {
    const at = part + PART.kernels + 2 * i;
    // Offsets from 2 GiB on are negative in a word; a kernel takes them all the same.
    table[control[at]!]!(control[at + 1]!, first, end);
  }
}
