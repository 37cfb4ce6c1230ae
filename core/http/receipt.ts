import { RuntimeError } from "../errors.ts";
import { recordAnswer } from "../receipt/recording.ts";
import type { TurnEvent } from "../tools/events.ts";
import type { ReadHeaders } from "./arrival.ts";
import type { ServedModel } from "./deps.ts";
import type { Asked } from "./wire/asked.ts";
import { unsupported } from "./wire/check.ts";
import type { Format } from "./wire/format.ts";

/**
 * `1` asks for the answer's receipt: the field `receipt` of the answer, and in a stream of the last chunk with a
 * choice. It repeats the prompt as tokens, so nobody gets one unasked, and nothing of it is kept here.
 */
export const RECEIPT_HEADER = "x-sirocco-receipt";

/** What makes a receipt on the answer's way from the engine to the wire; where none is wanted, nothing. */
export interface ReceiptWriter {
  /** To be asked in the model's place. */
  readonly model: ServedModel;
  /** The same events; the receipt is ready before the last of them. */
  watch(
    events: AsyncGenerator<TurnEvent, void, undefined>,
  ): AsyncGenerator<TurnEvent, void, undefined>;
  /** The same format, with the receipt at the end. */
  extend(format: Format): Format;
}

/**
 * What writes the receipt that a request's headers ask for. Throws `INVALID_REQUEST`, and
 * `UNSUPPORTED_PARAMETER` where several answers are wanted: a receipt is of one.
 */
export function receiptWriter(
  headers: Headers,
  model: ServedModel,
  asked: Asked,
  prompts: number,
): ReceiptWriter {
  if (!wantsReceipt(headers))
    return { model, watch: (events) => events, extend: (format) => format };
  if (prompts * asked.candidates !== 1) {
    throw unsupported(RECEIPT_HEADER, "a receipt is of one answer, and several are asked for");
  }
  if (asked.format !== undefined || asked.tools !== undefined) {
    throw unsupported(RECEIPT_HEADER, "what an answer had to be is not part of receipts");
  }
  const recording = recordAnswer(model.engine);
  let receipt: object | undefined;
  return {
    model: { ...model, engine: recording.engine },
    async *watch(events) {
      for await (const event of events) {
        if (event.type === "done") {
          const { id: name, digest } = model;
          // A turn with calls came to its own end.
          const reason = event.reason === "length" ? "length" : "stop";
          receipt = await recording.receipt({ name, digest }, asked.stop, reason);
        }
        yield event;
      }
    },
    extend: (format) => ({
      ...format,
      finish(done, choice) {
        const chunks = format.finish(done, choice);
        return [...chunks.slice(0, -1), { ...chunks.at(-1), receipt }];
      },
      whole: (choices, total) => ({ ...format.whole(choices, total), receipt }),
    }),
  };
}

/** Whether a request asks for the receipt of its answer. Throws `INVALID_REQUEST` for what is neither yes nor no. */
export function wantsReceipt(headers: ReadHeaders): boolean {
  const value = headers.get(RECEIPT_HEADER) ?? "0";
  if (value === "0" || value === "1") return value === "1";
  throw new RuntimeError(
    "INVALID_REQUEST",
    `Cannot accept the header ${RECEIPT_HEADER}: 1 asks for a receipt, 0 does not`,
    { param: RECEIPT_HEADER },
  );
}
