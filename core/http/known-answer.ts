import type { CachedAnswer } from "../cache/entry.ts";
import type { SemanticMatch } from "../cache/semantic/semantic-answers.ts";
import { sha256Text } from "../cache/scope.ts";
import type { Usable } from "./cache-turn.ts";
import type { Reply } from "./exchange.ts";
import { chunksOf, createGathering } from "./gather.ts";
import type { Asked } from "./wire/asked.ts";
import { toTotal, type Format, type Head } from "./wire/format.ts";

/** With an answer to another question: that answer's id. */
const SEMANTIC_ENTRY_HEADER = "x-sirocco-semantic-entry";

const SIMILARITY_DIGITS = 4;

/** Base64 digits of an entity tag: 96 bits. */
const ETAG_DIGITS = 16;

/**
 * The answer to a request that was answered before: byte for byte the body that computing gave, in one
 * piece or as a stream, made once and then at hand.
 *
 * @param operation Which kind of request; with `asked.stream` and `asked.includeUsage` it tells the form.
 */
export function knownReply(
  { hit, ageMs, match }: Pick<Usable, "hit" | "ageMs" | "match">,
  asked: Pick<Asked, "stream" | "includeUsage" | "ignored">,
  operation: string,
  createFormat: (head: Head) => Format,
): Reply {
  const { answer, from } = hit;
  const form = `${operation} ${asked.stream ? "stream" : "whole"} ${asked.includeUsage ? "usage" : ""}`;
  const { body, headers } = hit.rendered(form, () => {
    const format = createFormat(answer.head);
    const text = asked.stream
      ? inPieces(format, answer)
      : JSON.stringify(inOnePiece(format, answer));
    const type = asked.stream ? format.framing.headers : { "content-type": "application/json" };
    const bytes = new TextEncoder().encode(text);
    const own = { "content-length": String(bytes.byteLength), etag: etagOf(bytes) };
    return { body: text, headers: { ...type, ...own } };
  });
  const ttl = seconds(answer.freshMs - ageMs);
  const told: Record<string, string> = {
    ...headers,
    "cache-control": `private, max-age=${Math.max(ttl, 0)}`,
    "cache-status": `sirocco; hit; ttl=${ttl}; detail=${match === undefined ? from : "semantic"}`,
    age: String(seconds(ageMs)),
    ...(match === undefined ? {} : disclosed(match)),
  };
  const { ignored } = asked;
  if (ignored.length > 0) told["x-sirocco-ignored"] = ignored.join(", ");
  return { body, headers: told };
}

/** Whose answer it is, so that a false one can be evicted, and how near. */
function disclosed({ id, similarity }: SemanticMatch): Record<string, string> {
  return { [SEMANTIC_ENTRY_HEADER]: `${id}; similarity=${similarity.toFixed(SIMILARITY_DIGITS)}` };
}

function seconds(milliseconds: number): number {
  return Math.trunc(milliseconds / 1000);
}

/** A strong entity tag: the same bytes, and no others. */
function etagOf(body: Uint8Array): string {
  return `"${sha256Text(body).slice(0, ETAG_DIGITS)}"`;
}

/** The frames of a stream, one behind the other: what `respondInPieces` sends. */
function inPieces(format: Format, answer: CachedAnswer): string {
  const { framing } = format;
  const chunks = [
    ...format.opening(),
    ...answer.events.flatMap((event) => chunksOf(format, event)),
    ...format.closing(totalOf(answer)),
  ];
  return chunks.map((chunk) => framing.frame(chunk)).join("") + framing.end;
}

/** The answer in one piece: what `respondWhole` sends. */
function inOnePiece(format: Format, answer: CachedAnswer): object {
  return format.whole(choicesOf(answer), totalOf(answer));
}

function choicesOf({
  events,
}: CachedAnswer): ReturnType<ReturnType<typeof createGathering>["choices"]> {
  const gathering = createGathering();
  for (const event of events) gathering.add(event);
  return gathering.choices();
}

function totalOf(answer: CachedAnswer): ReturnType<typeof toTotal> {
  // What is kept answers one prompt (`whyNotCacheable`).
  return toTotal(
    choicesOf(answer).map(({ done }) => done),
    1,
  );
}
