import { RuntimeError } from "../errors.ts";

/** A longer line is no event of ours: a chunk of text with its log-probabilities has a few kilobytes. */
const LONGEST_LINE = 4 * 1024 * 1024;

/**
 * The lines of a body as they come, without those that are blank. Throws `UPSTREAM_ERROR` for a line that
 * does not end and for bytes that are no UTF-8.
 */
export async function* linesOf(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  for await (const bytes of body) {
    rest += decode(decoder, bytes);
    let from = 0;
    for (let end; (end = rest.indexOf("\n", from)) !== -1; from = end + 1) {
      const line = rest.slice(from, end).trim();
      if (line !== "") yield line;
    }
    // What keeps a silent connection alive is white space before the next line.
    rest = rest.slice(from).trimStart();
    if (rest.length > LONGEST_LINE)
      throw new RuntimeError(
        "UPSTREAM_ERROR",
        "Cannot read the answer of a node: a line has no end",
      );
  }
}

function decode(decoder: TextDecoder, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes, { stream: true });
  } catch (cause) {
    throw new RuntimeError("UPSTREAM_ERROR", "Cannot read the answer of a node: it is not UTF-8", {
      cause,
    });
  }
}
