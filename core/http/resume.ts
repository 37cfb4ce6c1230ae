import { RuntimeError } from "../errors.ts";
import type { ReadHeaders } from "./arrival.ts";
import type { Asked } from "./wire/asked.ts";
import { unsupported } from "./wire/check.ts";
import type { Format, Head } from "./wire/format.ts";

/*
 * A stream that broke is resumed by sending the same body again with the id of the last event that arrived
 * (`Last-Event-ID`). Nothing is kept for that: an id names the answer, its seed and its numerics, and with
 * those any server of this model computes the same events again and leaves out the ones that arrived.
 */

/** `<answer id>.<created>.<seed>.<fingerprint>:<events so far>`; numbers of the first part in base 36. */
const EVENT_ID =
  /^([\w-]{1,80})\.([0-9a-z]{1,11})\.([0-9a-z]{1,7})\.(fp_[0-9a-f]{1,32}):(\d{1,9})$/;

/** Seeds are below this. */
const SEEDS = 2 ** 32;

/** Whose events the client numbers, or wants to have numbered. */
export interface Resumption<A extends Asked> {
  /** How the stream began, where this is a part of an earlier one. */
  readonly head: Partial<Pick<Head, "id" | "created">>;
  /** The request with the seed of the earlier stream. */
  readonly asked: A;
  /** Throws `UNSUPPORTED_PARAMETER` for more than one prompt. */
  checkAnswers(prompts: number): void;
  /** The same format with numbered events, without those that arrived. */
  number(format: Format, head: Head): Format;
}

/**
 * What a request's headers ask for: events are numbered for who accepts `text/event-stream`, as browsers'
 * `EventSource` does, or resumes; but not where several answers share the stream, as whose events come when
 * is not the same twice. Throws `INVALID_REQUEST` for an id that is none of ours,
 * and `UNSUPPORTED_PARAMETER` where what it names cannot be resumed.
 */
export function resumption<A extends Asked>(
  headers: Headers,
  asked: A,
  fingerprint: string,
): Resumption<A> {
  const last = headers.get("last-event-id");
  if (last !== null) return resumed(last, asked, fingerprint);
  let plain = !wantsNumbers(headers, asked);
  return {
    head: {},
    asked,
    checkAnswers(prompts) {
      plain ||= prompts > 1;
    },
    number: (format, head) => (plain ? format : numbered(format, head, asked, 0)),
  };
}

/** Whether a request's events are to have ids, its first time or again: then they are computed, not kept. */
export function wantsNumbers(headers: ReadHeaders, { stream, candidates }: Asked): boolean {
  if (headers.has("last-event-id")) return true;
  const accepts = headers.get("accept")?.toLowerCase().includes("text/event-stream") ?? false;
  return accepts && stream && candidates === 1;
}

function resumed<A extends Asked>(last: string, asked: A, fingerprint: string): Resumption<A> {
  const checkAnswers = (answers: number): void => {
    if (asked.stream && answers === 1) return;
    throw unsupported("Last-Event-ID", "it is for a stream of one answer");
  };
  checkAnswers(asked.candidates);
  const [, id, created, seed, print, count] = EVENT_ID.exec(last) ?? [];
  if (id === undefined || !(Number.parseInt(seed!, 36) < SEEDS)) {
    throw new RuntimeError(
      "INVALID_REQUEST",
      `Cannot resume after ${JSON.stringify(last.slice(0, 200))}: it is no event id of this server`,
      { param: "Last-Event-ID" },
    );
  }
  if (print !== fingerprint) {
    throw new RuntimeError(
      "INVALID_REQUEST",
      `Cannot resume an answer of ${print}: this server is ${fingerprint}, whose answer may differ; ask anew`,
      { param: "Last-Event-ID" },
    );
  }
  const again: A = {
    ...asked,
    sampling: { ...asked.sampling, seed: Number.parseInt(seed!, 36) },
  };
  return {
    head: { id, created: Number.parseInt(created!, 36) },
    asked: again,
    checkAnswers,
    number: (format, head) => numbered(format, head, again, Number(count)),
  };
}

/** Frames get ids; the first `arrived` of them become empty, which is not sent. */
function numbered(format: Format, head: Head, { sampling }: Asked, arrived: number): Format {
  const { framing } = format;
  // Formats of lines have nowhere to put an id.
  if (!framing.headers["content-type"]?.startsWith("text/event-stream")) return format;
  const { id, created, fingerprint } = head;
  const name = `${id}.${created.toString(36)}.${sampling.seed.toString(36)}.${fingerprint}`;
  let count = 0;
  return {
    ...format,
    framing: {
      ...framing,
      frame(chunk) {
        count++;
        return count <= arrived ? "" : `id: ${name}:${count}\n${framing.frame(chunk)}`;
      },
    },
  };
}
