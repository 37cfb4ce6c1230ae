import type { Miniflare } from "miniflare";

/** What V8 counts of an isolate, bytes. */
export interface HeapUsage {
  /** Objects in its heap. */
  readonly usedSize: number;
  /** Buffers outside of it; WebAssembly memory is not among them. */
  readonly backingStorageSize: number;
}

/** Ask an isolate's inspector. */
export async function heapUsage(miniflare: Miniflare): Promise<HeapUsage> {
  const socket = new WebSocket(new URL("/core:user:", await miniflare.getInspectorURL()));
  try {
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve, { once: true });
      socket.addEventListener("error", reject, { once: true });
    });
    const answer = new Promise<HeapUsage>((resolve, reject) => {
      socket.addEventListener("message", ({ data }) => {
        const { id, result, error } = JSON.parse(String(data)) as {
          id?: number;
          result?: HeapUsage;
          error?: { message: string };
        };
        if (id !== 1) return;
        if (result === undefined) reject(new Error(error?.message));
        else resolve(result);
      });
    });
    socket.send(JSON.stringify({ id: 1, method: "Runtime.getHeapUsage" }));
    return await answer;
  } finally {
    socket.close();
  }
}
