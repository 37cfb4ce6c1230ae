import { RuntimeError } from "../errors.ts";
import type { OpenContext, OpenedEngine } from "./engine-succession.ts";

/**
 * Open an engine within `milliseconds`; one that comes later is discarded. Rejects as `open` does, and with `INTERNAL`.
 *
 * @param signal Ends opening.
 */
export async function openInTime(
  open: (context: OpenContext) => Promise<OpenedEngine>,
  { degraded, signal }: OpenContext,
  milliseconds: number,
): Promise<OpenedEngine> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  signal.addEventListener("abort", end);
  const opening = open({ degraded, signal: ended.signal });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new RuntimeError("INTERNAL", `Cannot open an engine: ${milliseconds} ms were not enough`),
      );
      end();
      opening.then(
        (late) => late.discard(),
        () => {},
      );
    }, milliseconds);
  });
  try {
    return await Promise.race([opening, tooLong]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}
