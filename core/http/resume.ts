import { RuntimeError } from "../errors.ts";
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
export interface Resumption {
  /** How the stream began, where this is a part of an earlier one. */
  readonly head: Pick<Head, "id" | "created"> | undefined;
  /** The request with the seed of the earlier stream. */
  readonly asked: Asked;
  /** The same format with numbered events, without those that arrived. */
  number(format: Format, head: Head): Format;
}

/**
 * What a request's headers ask for: events are numbered for who accepts `text/event-stream`, as browsers'
 * `EventSource` does, or resumes. Undefined where neither is wanted, or several answers share the stream:
 * whose events come when is not the same twice. Throws `INVALID_REQUEST` for an id that is none of ours,
 * and `UNSUPPORTED_PARAMETER` where what it names cannot be resumed.
 */
export function resumption(
  headers: Headers,
  asked: Asked,
  answers: number,
  fingerprint: string,
): Resumption | undefined {
  const last = headers.get("last-event-id");
  if (last !== null) return resumed(last, asked, answers, fingerprint);
  const accepts = headers.get("accept")?.toLowerCase().includes("text/event-stream") ?? false;
  if (!accepts || !asked.stream || answers !== 1) return undefined;
  return { head: undefined, asked, number: (format, head) => numbered(format, head, asked, 0) };
}

function resumed(last: string, asked: Asked, answers: number, fingerprint: string): Resumption {
  if (!asked.stream || answers !== 1) {
    throw unsupported("Last-Event-ID", "it is for a stream of one answer");
  }
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
  const again: Asked = {
    ...asked,
    sampling: { ...asked.sampling, seed: Number.parseInt(seed!, 36) },
  };
  return {
    head: { id, created: Number.parseInt(created!, 36) },
    asked: again,
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
