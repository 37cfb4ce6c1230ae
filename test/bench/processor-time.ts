import { readFileSync } from "node:fs";

/** Microseconds that a process has computed so far: Linux counts in hundredths of a second, user and system. */
export function processorTime(pid: number): number {
  // After the name in parentheses.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}
