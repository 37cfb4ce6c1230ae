/**
 * Byte-level vocabularies spell bytes as printable characters: printable Latin-1 bytes as themselves,
 * the others as U+0100 and up in order (Radford et al. 2019, the GPT-2 encoder).
 */

/** The character that spells each byte. */
export const BYTE_CHARS: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  String.fromCharCode(isPrintable(byte) ? byte : 0x100 + shifted(byte)),
);

const BYTES: ReadonlyMap<string, number> = new Map(
  BYTE_CHARS.map((char, byte) => [char, byte] as const),
);

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
}

/** How many bytes below this one are not printable. */
function shifted(byte: number): number {
  let count = 0;
  for (let below = 0; below < byte; below++) if (!isPrintable(below)) count++;
  return count;
}

/** `bytes` as a vocabulary spells them. */
export function toByteText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += BYTE_CHARS[byte]!;
  return text;
}

/** The bytes that `text` spells; a character that spells none stands for itself. */
export function fromByteText(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const char of text) {
    const byte = BYTES.get(char);
    if (byte !== undefined) bytes.push(byte);
    else bytes.push(...new TextEncoder().encode(char));
  }
  return Uint8Array.from(bytes);
}
