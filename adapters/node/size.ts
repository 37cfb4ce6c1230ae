/** What a size is written as: bytes, or so many times 1024 of them. */
export const SIZE: RegExp = /^(\d+(?:\.\d+)?) *([kKmMgGtT]?)(?:i?[bB])?$/;

/** Bytes of a size: `512M`, `1.5 GiB`; `undefined` where it is none, or nothing. */
export function parseSize(text: string): number | undefined {
  const [, amount, unit = ""] = SIZE.exec(text.trim()) ?? [];
  const power = unit === "" ? 0 : 1 + "KMGT".indexOf(unit.toUpperCase());
  const bytes = Math.floor(Number(amount) * 1024 ** power);
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}
