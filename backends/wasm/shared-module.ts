/** Section of a module that lists its imports (WebAssembly core specification 3.0, 5.5). */
const IMPORT_SECTION = 2;

/** An import's kind, and what its limits begin with: a maximum alone, or a maximum of a shared memory. */
const MEMORY_IMPORT = 2;
const HAS_MAXIMUM = 1;
const SHARED_WITH_MAXIMUM = 3;

/** Magic number and version. */
const HEADER_BYTES = 8;

/**
 * The same module, importing a shared memory. Its code is the same to the last byte: plain loads and
 * stores are valid on either kind of memory, and who may touch what is settled outside (see `threads/`).
 * So no second build is needed. Throws `TypeError` for a module that does not import one memory, with a
 * maximum, and nothing else.
 */
export function shareMemory(module: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = Uint8Array.from(module);
  let at = HEADER_BYTES;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = out[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  const skipName = (): void => {
    const length = number();
    at += length;
  };
  while (at < out.length) {
    const section = out[at++];
    const end = number() + at;
    if (section === IMPORT_SECTION) {
      const imports = number();
      skipName();
      skipName();
      if (imports === 1 && out[at] === MEMORY_IMPORT && out[at + 1] === HAS_MAXIMUM) {
        out[at + 1] = SHARED_WITH_MAXIMUM;
        return out;
      }
      break;
    }
    at = end;
  }
  throw new TypeError("Cannot share the memory of a module that does not import one of its own");
}
