import type { HttpLimits } from "./deps.ts";
import { within } from "./time-limit.ts";

/**
 * Frames, text or bytes, as a response body that is pulled: the next frame is asked for when the client has taken the
 * last one, so a slow reader slows production. Silence is filled with `ping`. The stream ends when the
 * frames end, when the client leaves, or when it has not read for `stallMs`; `release` is then called,
 * exactly once, and has to stop whatever produces the frames.
 */
export function streamBody(
  frames: AsyncIterator<string | Uint8Array, void>,
  limits: Pick<HttpLimits, "keepAliveMs" | "stallMs">,
  release: () => void,
  ping: string,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let pending: Promise<IteratorResult<string | Uint8Array, void>> | undefined;
  let stalled: ReturnType<typeof setTimeout> | undefined;
  let released = false;
  const close = () => {
    clearTimeout(stalled);
    if (released) return;
    released = true;
    release();
  };

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        clearTimeout(stalled);
        pending ??= frames.next();
        let result: IteratorResult<string | Uint8Array, void> | undefined;
        try {
          result = await within(pending, limits.keepAliveMs);
        } catch (error) {
          close();
          throw error;
        }
        if (released) return;
        if (result === undefined) {
          controller.enqueue(encoder.encode(ping));
        } else if (result.done === true) {
          controller.close();
          close();
          return;
        } else {
          pending = undefined;
          const { value } = result;
          controller.enqueue(typeof value === "string" ? encoder.encode(value) : value);
        }
        stalled = setTimeout(() => {
          controller.error(new Error("The client has stopped reading"));
          close();
        }, limits.stallMs);
      },
      cancel: close,
    },
    // Nothing is produced ahead of the reader.
    { highWaterMark: 0 },
  );
}
