/** A body on its way past. */
export interface Digesting {
  /** The same bytes. */
  readonly body: ReadableStream<Uint8Array>;
  /** SHA-256 of all of them, in hex; what nobody has read is read for it. To be called once, before `body` is left. */
  digest(): Promise<string>;
}

/** Hash a body while it is read: natively, as it passes, so that it is never here as a whole. */
export function digesting(body: ReadableStream<Uint8Array>): Digesting {
  const reader = body.getReader();
  const hash = new crypto.DigestStream("SHA-256");
  const writer = hash.getWriter();

  async function next(): Promise<ReadableStreamReadResult<Uint8Array>> {
    const chunk = await reader.read();
    if (!chunk.done) await writer.write(chunk.value);
    return chunk;
  }

  return {
    body: new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const { done, value } = await next();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: (reason) => reader.cancel(reason),
      },
      // Nothing is read ahead: what is kept twice is memory that the model needs.
      { highWaterMark: 0 },
    ),
    async digest() {
      while (!(await next()).done);
      await writer.close();
      const bytes = new Uint8Array(await hash.digest);
      return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    },
  };
}

/** A version that is the digest. */
const SHA256 = /^(?:sha256[:-])?([0-9a-f]{64})$/;

/**
 * What identifies a body that has been read: an ETag says nothing to others, and the same weights have one digest
 * wherever they are served.
 */
export async function digestOf(version: string, passing: Digesting): Promise<string> {
  return SHA256.exec(version)?.[1] ?? (await passing.digest());
}
