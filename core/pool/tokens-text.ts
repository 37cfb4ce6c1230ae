/** Bits of a token in each byte; the eighth says that more follow (LEB128). */
const BITS = 7;

/** Above any vocabulary. */
const MOST_TOKEN = 2 ** 28;

/** Tokens as text for a header: LEB128 in base64url, two or three bytes each. */
export function writeTokens(tokens: readonly number[]): string {
  const bytes: number[] = [];
  for (const token of tokens) {
    let rest = token;
    for (; rest >= 2 ** BITS; rest >>>= BITS) bytes.push((rest % 2 ** BITS) + 2 ** BITS);
    bytes.push(rest);
  }
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}

/** The tokens of a text, as far as it is one that {@linkcode writeTokens} wrote. */
export function readTokens(text: string): readonly number[] {
  const tokens: number[] = [];
  let bytes: string;
  try {
    bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return tokens;
  }
  let token = 0;
  let scale = 1;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes.charCodeAt(i);
    token += (byte % 2 ** BITS) * scale;
    if (token >= MOST_TOKEN) return tokens;
    scale *= 2 ** BITS;
    if (byte >= 2 ** BITS) continue;
    tokens.push(token);
    token = 0;
    scale = 1;
  }
  return tokens;
}
