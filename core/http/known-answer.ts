import type { AnswerDone, AnswerText } from "../answer/answer.ts";
import type { CachedAnswer } from "../cache/entry.ts";
import { sha256Text } from "../cache/scope.ts";
import type { Usable } from "./cache-turn.ts";
import type { Asked } from "./wire/asked.ts";
import { toTotal, type Choice, type Format } from "./wire/format.ts";

/** Base64 digits of an entity tag: 96 bits. */
const ETAG_DIGITS = 16;

/**
 * The response to a request that was answered before: byte for byte the body that computing gave, in one
 * piece or as a stream, made once and then at hand.
 */
export function respondKnown(
  { hit, ageMs }: Usable,
  asked: Asked,
  operation: string,
  createFormat: () => Format,
): Response {
  const { answer, from } = hit;
  const kind = `${operation} ${asked.stream ? "stream" : "whole"} ${asked.includeUsage ? "usage" : ""}`;
  const body = hit.rendered(kind, () => {
    const format = createFormat();
    return new TextEncoder().encode(
      asked.stream ? inPieces(format, answer) : JSON.stringify(whole(format, answer)),
    );
  });
  const seconds = (milliseconds: number) => Math.trunc(milliseconds / 1000);
  const ttl = seconds(answer.freshMs - ageMs);
  const headers: Record<string, string> = {
    ...(asked.stream ? createFormat().framing.headers : { "content-type": "application/json" }),
    "cache-control": `private, max-age=${Math.max(ttl, 0)}`,
    "cache-status": `sirocco; hit; ttl=${ttl}; detail=${from}`,
    age: String(seconds(ageMs)),
    etag: etagOf(body),
  };
  return new Response(body as Uint8Array<ArrayBuffer>, { headers });
}

const etags = new WeakMap<Uint8Array, string>();

function etagOf(body: Uint8Array): string {
  const known = etags.get(body);
  if (known !== undefined) return known;
  const made = `"${sha256Text(body).slice(0, ETAG_DIGITS)}"`;
  etags.set(body, made);
  return made;
}

/** The frames of a stream, one behind the other: what `respondInPieces` sends. */
function inPieces(format: Format, { events, promptTokens }: CachedAnswer): string {
  const { frame, end } = format.framing;
  const dones: AnswerDone[] = [];
  const chunks: object[] = [...format.opening()];
  for (const { choice, event } of events) {
    if (event.type === "text") {
      chunks.push(...format.text(event, choice));
    } else {
      dones[choice] = event;
      chunks.push(...format.finish(event, choice));
    }
  }
  chunks.push(...format.closing(toTotal(dones, promptTokens)));
  return chunks.map((chunk) => frame(chunk)).join("") + end;
}

/** The answer in one piece: what `respondWhole` sends. */
function whole(format: Format, { events, promptTokens }: CachedAnswer): object {
  const texts: AnswerText[][] = [];
  const dones: AnswerDone[] = [];
  for (const { choice, event } of events) {
    texts[choice] ??= [];
    if (event.type === "text") texts[choice].push(event);
    else dones[choice] = event;
  }
  const choices = dones.map((done, choice): Choice => ({ texts: texts[choice] ?? [], done }));
  return format.whole(choices, toTotal(dones, promptTokens));
}
