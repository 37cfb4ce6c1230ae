/**
 * Byte-level vocabularies spell bytes as printable characters: printable Latin-1 bytes as themselves,
 * the others as U+0100 and up in order (Radford et al. 2019, the GPT-2 encoder).
 */

/** The character that spells each byte. */
export const BYTE_CHARS: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  String.fromCharCode(isPrintable(byte) ? byte : 0x100 + shifted(byte)),
);

/** [character] the byte that it spells, -1 for none; characters from here on spell none. */
const BYTES = new Int16Array(0x144).fill(-1);
for (const [byte, char] of BYTE_CHARS.entries()) BYTES[char.charCodeAt(0)] = byte;

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
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = BYTES[text.charCodeAt(i)] ?? -1;
    if (byte < 0) return fromMixedText(text);
    bytes[i] = byte;
  }
  return bytes;
}

function fromMixedText(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const char of text) {
    const byte = BYTES[char.codePointAt(0)!] ?? -1;
    if (byte >= 0) bytes.push(byte);
    else bytes.push(...new TextEncoder().encode(char));
  }
  return Uint8Array.from(bytes);
}
