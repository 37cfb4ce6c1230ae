/**
 * How fast this machine reads memory: each thread searches its own 256 MB for a byte that is not there (`Buffer.indexOf`, which is the C
 * library's memchr and reads with the widest loads the CPU has). That is eight times a last-level cache of 32 MB, so caches do not
 * help; the best of several passes, since a neighbour can only slow it down.
 *
 *     node test/bench/bandwidth.ts [threads]     -> { threads, gb_s }
 */
import { Worker, isMainThread, parentPort } from "node:worker_threads";
import { fileURLToPath } from "node:url";

const BYTES = 256 * 1024 * 1024;
const PASSES = 8;

/** Reads the buffer once; resolves nothing, costs BYTES of memory traffic. */
function readOnce(buffer: Buffer): void {
  if (buffer.indexOf(0) !== -1) throw new Error("Cannot measure: the buffer should hold no zero.");
}

/** Best total rate of `threads` threads reading at once, in 10^9 bytes per second. */
export async function readBandwidth(threads: number): Promise<number> {
  const workers = Array.from({ length: threads }, () => new Worker(fileURLToPath(import.meta.url)));
  /** Lets all threads do one pass; resolves with the seconds until the last is done. */
  async function pass(): Promise<number> {
    const done = workers.map(
      (worker) =>
        new Promise<void>((resolve, reject) => {
          worker.once("message", () => resolve()).once("error", reject);
        }),
    );
    const start = performance.now();
    for (const worker of workers) {
      // eslint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
      worker.postMessage("pass");
    }
    await Promise.all(done);
    return (performance.now() - start) / 1000;
  }
  try {
    // The first pass also makes the buffers.
    await pass();
    let best = Infinity;
    for (let i = 0; i < PASSES; i++) best = Math.min(best, await pass());
    return (threads * BYTES) / best / 1e9;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

const port = parentPort;
if (!isMainThread && port !== null) {
  let buffer: Buffer | undefined;
  port.on("message", () => {
    buffer ??= Buffer.alloc(BYTES, 1);
    readOnce(buffer);
    // eslint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
    port.postMessage("done");
  });
} else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const threads = Number(process.argv[2] ?? 1);
  process.stdout.write(`${JSON.stringify({ threads, gb_s: await readBandwidth(threads) })}\n`);
}
