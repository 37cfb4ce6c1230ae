/** Little-endian bytes, growing. */
export class ByteWriter {
  #view = new DataView(new ArrayBuffer(1024));
  length = 0;

  u8(value: number): void {
    const at = this.#room(1);
    this.#view.setUint8(at, value);
  }
  u16(value: number): void {
    const at = this.#room(2);
    this.#view.setUint16(at, value, true);
  }
  u32(value: number): void {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }
  /** Negative numbers too: as the same 64 bits. */
  u64(value: number | bigint): void {
    const at = this.#room(8);
    this.#view.setBigInt64(at, BigInt.asIntN(64, BigInt(value)), true);
  }
  f32(value: number): void {
    const at = this.#room(4);
    this.#view.setFloat32(at, value, true);
  }
  f64(value: number): void {
    const at = this.#room(8);
    this.#view.setFloat64(at, value, true);
  }
  bytes(bytes: Uint8Array): void {
    const at = this.#room(bytes.byteLength);
    new Uint8Array(this.#view.buffer).set(bytes, at);
  }
  /** A GGUF string: its length in bytes, then the bytes. */
  text(text: string | Uint8Array): void {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    this.u64(bytes.byteLength);
    this.bytes(bytes);
  }
  pad(alignment: number): void {
    this.#room(alignUp(this.length, alignment) - this.length);
  }
  finish(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#view.buffer, 0, this.length).slice();
  }
  #room(bytes: number): number {
    const at = this.length;
    this.length += bytes;
    if (this.length > this.#view.byteLength) {
      const grown = new Uint8Array(Math.max(this.length, this.#view.byteLength * 2));
      grown.set(new Uint8Array(this.#view.buffer));
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

/** The next multiple of `alignment` from `offset` on. */
export function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}
