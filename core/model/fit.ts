import { RuntimeError } from "../errors.ts";
import type { Backend } from "../tensor/backend.ts";
import { kvHeadBytes, type KvType } from "../tensor/kv-type.ts";
import type { MemoryNeed, Workload } from "../tensor/workload.ts";

const MIB = 2 ** 20;

/** Positions by which caches grow. */
const BLOCK = 16;

/**
 * Throws `INSUFFICIENT_RESOURCES`, with numbers and with what would do, where a backend cannot hold a workload:
 * before anything is loaded, as reading gigabytes to learn that is a waste of minutes.
 */
export function checkFit(backend: Pick<Backend, "name" | "need">, workload: Workload): void {
  const need = needOf(backend, workload);
  const { weights, kv, activations, limit } = need;
  const total = weights + kv + activations;
  if (total <= limit) return;
  throw tooMuch(
    `it needs ${mebibytes(total)}: ${mebibytes(weights)} of weights, ${mebibytes(kv)} of keys and values, ` +
      `${mebibytes(activations)} of activations; the ${backend.name} backend may take ${mebibytes(limit)}. ` +
      remedy(need, workload),
  );
}

function needOf(backend: Pick<Backend, "name" | "need">, workload: Workload): MemoryNeed {
  try {
    return backend.need(workload);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw tooMuch(
      `on the ${backend.name} backend ${error.message}. Use a smaller context or batch`,
      error,
    );
  }
}

/** What would make it fit, the least change first. */
function remedy(need: MemoryNeed, workload: Workload): string {
  const { weights, kv, activations, limit } = need;
  if (weights >= limit) {
    return (
      `Use a smaller quantisation, of ${bitsFor(need, workload)} bits a weight at most, or a smaller model, ` +
      "or allow more memory"
    );
  }
  if (weights + activations >= limit) {
    return "Use a smaller batch, fewer requests at a time or a smaller quantisation, or allow more memory";
  }
  const room = limit - weights - activations;
  const slots = Math.max(...workload.caches.map((layer) => layer.slots));
  const fitting = Math.floor(((room / kv) * slots) / BLOCK) * BLOCK;
  return (
    `Keys and values of ${fitting} tokens would fit, not of ${slots}: use a smaller context, fewer requests at a ` +
    `time, ${smallerCache(kv, room, workload)}or a smaller quantisation, or allow more memory`
  );
}

/** Bits of a weight for which all of them would fit, with a digit behind the point. */
function bitsFor({ limit, activations }: MemoryNeed, { weights }: Workload): string {
  const count = weights.reduce(
    (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
    0,
  );
  return (Math.floor((80 * Math.max(0, limit - activations)) / count) / 10).toFixed(1);
}

/** The smallest type of cache, where it is not in use. */
function smallerCache(kv: number, room: number, { caches }: Workload): string {
  const bytesAs = (type?: KvType): number =>
    caches.reduce(
      (sum, { slots, shape }) => sum + slots * kvHeadBytes(type ?? shape.type, shape.headDim),
      0,
    );
  const smaller = kv * (bytesAs("q8_0") / bytesAs());
  if (smaller >= kv) return "";
  return `keys and values as q8_0 (${mebibytes(smaller)}${smaller <= room ? ", which fits" : ""}) `;
}

function tooMuch(why: string, cause?: RangeError): RuntimeError {
  return new RuntimeError("INSUFFICIENT_RESOURCES", `Cannot load the model: ${why}`, { cause });
}

function mebibytes(bytes: number): string {
  return `${(bytes / MIB).toFixed(bytes < 10 * MIB ? 1 : 0)} MiB`;
}
