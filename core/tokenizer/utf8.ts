/** Bytes that arrive in pieces, turned into text as soon as they form characters. */

/** A UTF-8 stream. */
export interface Utf8Stream {
  /** The text that is complete with `bytes`; an unfinished character is held back. */
  push(bytes: Uint8Array): string;
  /** What was held back, as U+FFFD. The stream can be used again. */
  end(): string;
}

const NOTHING = new Uint8Array(0);

/** A stream that turns bytes which cannot belong to any character into U+FFFD at once. */
export function createUtf8Stream(): Utf8Stream {
  // A byte order mark inside a text is a character like any other.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let held = NOTHING;
  return {
    push(bytes) {
      let all = bytes;
      if (held.length > 0) {
        all = new Uint8Array(held.length + bytes.length);
        all.set(held);
        all.set(bytes, held.length);
      }
      const complete = all.length - unfinished(all);
      held = complete === all.length ? NOTHING : all.slice(complete);
      return complete === 0 ? "" : decoder.decode(all.subarray(0, complete));
    },
    end() {
      const text = held.length === 0 ? "" : decoder.decode(held);
      held = NOTHING;
      return text;
    },
  };
}

/**
 * How many bytes at the end begin a character that more bytes could complete (Unicode 16, table 3-7).
 * Bytes that nothing could complete count as finished: waiting for them would hold the stream forever.
 */
function unfinished(bytes: Uint8Array): number {
  const most = Math.min(3, bytes.length);
  for (let back = 1; back <= most; back++) {
    const lead = bytes[bytes.length - back]!;
    if ((lead & 0xc0) === 0x80) continue;
    const need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || back >= need) return 0;
    if (back > 1 && !canFollow(lead, bytes[bytes.length - back + 1]!)) return 0;
    return back;
  }
  return 0;
}

/** Whether `second` may follow `lead`: rules out overlong forms, surrogates and what lies past U+10FFFF. */
function canFollow(lead: number, second: number): boolean {
  if (lead === 0xe0) return second >= 0xa0;
  if (lead === 0xed) return second <= 0x9f;
  if (lead === 0xf0) return second >= 0x90;
  if (lead === 0xf4) return second <= 0x8f;
  return true;
}
