/** Nesting of JSON: far more than any request needs, far less than a stack bears. */
const MAX_JSON_DEPTH = 64;

/**
 * The value of a JSON text. Brackets are counted before parsing, so that hostile nesting reaches no
 * recursive parser and nothing recursive later on. Throws `SyntaxError`, whose message does not repeat
 * the text.
 */
export function parseJson(text: string): unknown {
  checkDepth(text);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError("it is not valid JSON", { cause });
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function checkDepth(text: string): void {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) {
      i++;
      while (i < text.length && text.charCodeAt(i) !== QUOTE) {
        i += text.charCodeAt(i) === BACKSLASH ? 2 : 1;
      }
    } else if (unit === 0x5b || unit === 0x7b) {
      if (++depth > MAX_JSON_DEPTH) {
        throw new SyntaxError(`JSON is nested deeper than ${MAX_JSON_DEPTH} levels`);
      }
    } else if (unit === 0x5d || unit === 0x7d) {
      depth--;
    }
  }
}
