import { readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";

/**
 * Threads to compute with unless somebody says otherwise: one for each physical core that this process
 * may use. Two threads of one core share the multipliers that the kernels wait for.
 */
export function physicalCores(): number {
  const available = availableParallelism();
  const perCore = threadsPerCore();
  return Math.max(1, Math.min(MOST_THREADS, Math.floor(available / perCore)));
}

/** Beyond this, the memory that the threads share is the limit, and each region's end costs more. */
const MOST_THREADS = 16;

/** Logical CPUs of the first core, where the system says; elsewhere 1. */
function threadsPerCore(): number {
  try {
    const list = readFileSync(
      "/sys/devices/system/cpu/cpu0/topology/thread_siblings_list",
      "utf8",
    ).trim();
    return countListed(list, cpus().length);
  } catch {
    // No Linux, or a container that hides it.
    return 1;
  }
}

/** How many CPUs a list such as `0,64` or `0-1` names; 1 where it makes no sense. */
export function countListed(list: string, most: number): number {
  let count = 0;
  for (const range of list.split(",")) {
    const [first, last = first] = range.split("-").map(Number);
    count += last! - first! + 1;
  }
  return count >= 1 && count <= most ? count : 1;
}
