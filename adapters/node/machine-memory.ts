import { totalmem } from "node:os";

/**
 * Bytes that this process may take: the machine's, or those of its container where that has fewer. Infinity where
 * the program may not know, which in Deno needs a permission.
 */
export function machineMemory(): number {
  try {
    // 0 or beyond the machine's memory where there is no limit.
    const constrained = process.constrainedMemory();
    return constrained > 0 && constrained < totalmem() ? constrained : totalmem();
  } catch {
    return Infinity;
  }
}
