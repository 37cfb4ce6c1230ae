/** `strip`, `lstrip` and `rstrip` with the characters to take off, as Python has them. */

/** What is left of `text`; the template engine's own methods forget their argument. */
export function stripChars(
  name: "strip" | "lstrip" | "rstrip",
  text: string,
  chars: string,
): string {
  const set = new Set(chars);
  const points = Array.from(text);
  let start = 0;
  let end = points.length;
  if (name !== "rstrip") while (start < end && set.has(points[start]!)) start++;
  if (name !== "lstrip") while (end > start && set.has(points[end - 1]!)) end--;
  return points.slice(start, end).join("");
}
