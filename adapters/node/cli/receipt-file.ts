import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { RuntimeError } from "../../../core/errors.ts";
import { MAX_RECEIPT_BYTES, parseReceipt } from "../../../core/receipt/parse.ts";
import type { Receipt } from "../../../core/receipt/receipt.ts";
import type { LoadedModel } from "../load.ts";
import type { Answer, Question } from "./answering.ts";

/** Write the receipt of an answer. */
export async function writeReceipt(
  path: string,
  model: LoadedModel,
  { stop = [] }: Question,
  { recording, done }: Answer,
): Promise<void> {
  const { name } = model.config;
  const digest = await model.digest();
  const receipt = await recording.receipt({ name, digest }, stop, done.reason);
  await writeFile(path, `${JSON.stringify(receipt)}\n`);
}

/** Read and check a receipt. Whatever the path names, no more is read than a receipt can have. */
export async function readReceipt(path: string): Promise<Receipt> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // `end` is the last byte that is read: one more than fits tells that it does not.
  for await (const chunk of createReadStream(path, { end: MAX_RECEIPT_BYTES })) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  if (bytes > MAX_RECEIPT_BYTES) {
    throw new RuntimeError(
      "REQUEST_TOO_LARGE",
      `Cannot read ${path}: a receipt has at most ${MAX_RECEIPT_BYTES} bytes`,
    );
  }
  return parseReceipt(Buffer.concat(chunks).toString("utf8"));
}
