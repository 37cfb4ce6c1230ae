/** Marks the line of stdout that holds the result; drivers print lines of their own. */
export const MARK = "gpu-case:";

/** Hand a result, as JSON, from the process of a case to its test. */
export function report(value: unknown): void {
  console.log(`${MARK}${JSON.stringify(value)}`);
}
