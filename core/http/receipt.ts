import type { AnswerEvent } from "../answer/answer.ts";
import type { Engine } from "../engine/engine.ts";
import { RuntimeError } from "../errors.ts";
import { recordAnswer } from "../receipt/recording.ts";
import type { ServedModel } from "./deps.ts";
import type { Format } from "./wire/format.ts";

/**
 * `1` asks for the answer's receipt, in its field `receipt`, in a stream that of the last chunk with a choice.
 * It repeats the prompt as tokens, so nobody gets one unasked, and nothing of it is kept here.
 */
const RECEIPT_HEADER = "x-sirocco-receipt";

/** What makes the receipt of one answer on the way from the engine to the wire. */
export interface ReceiptWriter {
  /** To be asked in the model's place. */
  readonly engine: Engine;
  /** The same events; the receipt is ready before the last of them. */
  watch<E extends AnswerEvent>(events: AsyncIterable<E>): AsyncGenerator<E, void, undefined>;
  /** The same format, with the receipt at the end. */
  extend(format: Format): Format;
}

/** Where the request asks for one, what writes its receipt. Throws `INVALID_REQUEST`. */
export function receiptWriter(
  headers: Headers,
  model: ServedModel,
  stop: readonly string[],
): ReceiptWriter | undefined {
  const asked = headers.get(RECEIPT_HEADER) ?? "0";
  if (asked === "0") return undefined;
  if (asked !== "1") {
    throw new RuntimeError(
      "INVALID_REQUEST",
      `Cannot accept the header ${RECEIPT_HEADER}: 1 asks for a receipt, 0 does not`,
      { param: RECEIPT_HEADER },
    );
  }
  const recording = recordAnswer(model.engine);
  let receipt: object | undefined;
  return {
    engine: recording.engine,
    async *watch(events) {
      for await (const event of events) {
        if (event.type === "done") {
          const { id: name, digest } = model;
          receipt = await recording.receipt({ name, digest }, stop, event.reason);
        }
        yield event;
      }
    },
    extend: (format) => ({
      ...format,
      finish: (done) => ({ ...format.finish(done), receipt }),
      whole: (texts, calls, done) => ({ ...format.whole(texts, calls, done), receipt }),
    }),
  };
}
