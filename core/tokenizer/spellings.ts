/** Finds the spellings of special tokens in a text, the longest one at each place. */

/** A set of spellings. */
export interface Spellings {
  readonly size: number;
  /** `text` from left to right as stretches without any spelling, and the tokens between them. */
  split(text: string): (string | number)[];
}

interface Node {
  readonly children: Map<number, Node>;
  /** The token that ends here, -1 for none. */
  token: number;
}

/** Spellings with their tokens. Where two tokens are spelled alike, the first one counts. */
export function createSpellings(entries: Iterable<readonly [string, number]>): Spellings {
  const root: Node = { children: new Map(), token: -1 };
  /** Most characters begin no spelling: one look decides. */
  const begins = new Uint8Array(0x1_0000);
  let size = 0;
  for (const [text, token] of entries) {
    if (text === "") continue;
    let node = root;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      let child = node.children.get(unit);
      if (child === undefined) {
        child = { children: new Map(), token: -1 };
        node.children.set(unit, child);
      }
      node = child;
    }
    if (node.token >= 0) continue;
    node.token = token;
    begins[text.charCodeAt(0)] = 1;
    size++;
  }

  return {
    size,
    split(text) {
      if (size === 0) return text === "" ? [] : [text];
      const parts: (string | number)[] = [];
      let start = 0;
      let at = 0;
      while (at < text.length) {
        if (begins[text.charCodeAt(at)] === 0) {
          at++;
          continue;
        }
        let token = -1;
        let end = at;
        let node: Node | undefined = root;
        for (let i = at; i < text.length; i++) {
          node = node.children.get(text.charCodeAt(i));
          if (node === undefined) break;
          if (node.token >= 0) {
            token = node.token;
            end = i + 1;
          }
        }
        if (token < 0) {
          at++;
          continue;
        }
        if (at > start) parts.push(text.slice(start, at));
        parts.push(token);
        start = at = end;
      }
      if (start < text.length) parts.push(text.slice(start));
      return parts;
    },
  };
}
