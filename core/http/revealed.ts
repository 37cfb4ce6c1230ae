import type { Relay } from "../pool/relay-header.ts";
import type { ReadHeaders } from "./arrival.ts";
import type { Caller } from "./edge/access.ts";
import { RECEIPT_HEADER, wantsReceipt } from "./receipt.ts";
import type { Asked } from "./wire/asked.ts";

/** Throws `INSUFFICIENT_SCOPE` where the answer would hold log-probabilities that the caller may not have. */
export function checkRevealed(
  { logprobs, candidates, choices }: Asked,
  { headers }: { readonly headers: ReadHeaders },
  relay: Relay | undefined,
  caller: Caller,
): void {
  if (logprobs !== undefined) caller.checkLogprobs("logprobs");
  if (wantsReceipt(headers)) caller.checkLogprobs(RECEIPT_HEADER);
  // Events have those by which the likeliest answers are told.
  if (relay !== undefined && candidates > choices) caller.checkLogprobs("best_of");
}
