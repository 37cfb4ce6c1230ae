import { RuntimeError } from "../errors.ts";
import type { Backend } from "../tensor/backend.ts";
import type { MemoryNeed, Workload } from "../tensor/workload.ts";

const MIB = 2 ** 20;

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
      remedy(need),
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
function remedy({ weights, kv, activations, limit }: MemoryNeed): string {
  if (weights >= limit)
    return "Use a smaller quantisation or a smaller model, or allow more memory";
  if (weights + activations >= limit) {
    return "Use a smaller batch, fewer requests at a time or a smaller quantisation, or allow more memory";
  }
  const part = (limit - weights - activations) / kv;
  return (
    `Keys and values may take ${Math.floor(100 * part)} % of that: use a smaller context, fewer requests at a ` +
    "time, keys and values as q8_0 or a smaller quantisation, or allow more memory"
  );
}

function tooMuch(why: string, cause?: RangeError): RuntimeError {
  return new RuntimeError("INSUFFICIENT_RESOURCES", `Cannot load the model: ${why}`, { cause });
}

function mebibytes(bytes: number): string {
  return `${(bytes / MIB).toFixed(bytes < 10 * MIB ? 1 : 0)} MiB`;
}
