/** `tokenizer.model`: a SentencePiece model, a protobuf message (sentencepiece_model.proto). */
import { malformed, unsupported } from "../gguf/problem.ts";
import { MAX_RANKS } from "../tokenizer/merge.ts";
import { readFields, type ProtobufField } from "./protobuf.ts";
import type { TokenList } from "./token-list.ts";

/** Numbers of fields: of the model, of a piece, of the trainer's and of the normaliser's settings. */
const MODEL = { piece: 1, trainer: 2, normalizer: 3 } as const;
const PIECE = { text: 1, score: 2, kind: 3 } as const;
const TRAINER = { type: 3, unk: 40, bos: 41, eos: 42 } as const;
const NORMALIZER = { addDummyPrefix: 3 } as const;

/** `TrainerSpec.ModelType`: BPE, and the default, which picks the likeliest of all ways to cut a text. */
const BPE = 2;
const UNIGRAM = 1;

/** Kind of a piece that does not say: normal. */
const NORMAL = 1;

/** Whether a file can be such a model: other libraries use its name for their own form. */
export function isSentencePiece(bytes: Uint8Array): boolean {
  // The first piece: field 1 with a length.
  return bytes[0] === 0x0a;
}

/** The vocabulary. Throws `MODEL_MALFORMED`, and `MODEL_UNSUPPORTED` for one that is not BPE. */
export function parseSentencePiece(file: string, bytes: Uint8Array): TokenList {
  const fields = readFields(file, bytes);
  const pieces = fields.filter(([number]) => number === MODEL.piece);
  if (pieces.length === 0 || pieces.length > MAX_RANKS) {
    throw malformed(file, `it has ${pieces.length} pieces, 1 to ${MAX_RANKS} may be`);
  }
  const texts: string[] = [];
  const scores: number[] = [];
  const kinds: number[] = [];
  for (const [, value] of pieces) {
    const piece = message(file, value);
    const text = piece.get(PIECE.text);
    if (!(text instanceof Uint8Array)) throw malformed(file, `piece ${texts.length} has no text`);
    texts.push(new TextDecoder().decode(text));
    scores.push(numberOf(piece, PIECE.score, 0));
    kinds.push(numberOf(piece, PIECE.kind, NORMAL));
  }
  const trainer = message(file, last(fields, MODEL.trainer));
  const type = numberOf(trainer, TRAINER.type, UNIGRAM);
  if (type !== BPE) {
    throw unsupported(file, `its model is of type ${type}, only BPE (${BPE}) is supported`);
  }
  const special: Record<string, number> = {};
  for (const [name, fallback] of [
    ["unk", 0],
    ["bos", 1],
    ["eos", 2],
  ] as const) {
    const id = numberOf(trainer, TRAINER[name], fallback);
    // -1 is how it says that there is none: a varint of ten bytes.
    if (id < texts.length) special[name] = id;
  }
  const normalizer = message(file, last(fields, MODEL.normalizer));
  return {
    model: "llama",
    pre: "default",
    texts,
    kinds,
    scores,
    addSpacePrefix: numberOf(normalizer, NORMALIZER.addDummyPrefix, 1) !== 0,
    special,
  };
}

type Message = ReadonlyMap<number, number | Uint8Array>;

function message(file: string, value: number | Uint8Array | undefined): Message {
  return new Map(value instanceof Uint8Array ? readFields(file, value) : []);
}

function last(fields: readonly ProtobufField[], number: number): number | Uint8Array | undefined {
  return fields.findLast(([found]) => found === number)?.[1];
}

function numberOf(fields: Message, number: number, fallback: number): number {
  const value = fields.get(number);
  return typeof value === "number" ? value : fallback;
}
