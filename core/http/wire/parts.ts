import * as v from "valibot";
import { RuntimeError } from "../../errors.ts";
import { check, toParam } from "./check.ts";
import { list, object, text } from "./fields.ts";

/** Parts of one message. */
const MAX_PARTS = 1024;
/** Text of one message: the body's own limit is smaller, this one only closes the range. */
export const MAX_TEXT: number = 16 * 1024 * 1024;

/** A text, or parts, each of which is still to be checked. */
export const content: v.GenericSchema<unknown, string | unknown[]> = v.lazy((input) =>
  Array.isArray(input)
    ? list(v.unknown(), 1, MAX_PARTS, "parts")
    : v.pipe(v.string("text or an array of parts"), v.maxLength(MAX_TEXT, "shorter text")),
);

/** Parts that would need another kind of model, in all APIs. */
const OTHER_MODALITIES: ReadonlySet<unknown> = new Set([
  "image_url",
  "input_image",
  "image",
  "input_audio",
  "audio",
  "audio_url",
  "video_url",
  "file",
  "input_file",
  "document",
  "document_url",
]);

/** A part that is text. */
export type TextPart = v.GenericSchema<unknown, { readonly text: string }>;

/** Parts of one of these types, with nothing but their text and what is named. */
export function textPart(types: readonly string[], more: v.ObjectEntries = {}): TextPart {
  return object({
    ...more,
    type: v.picklist(types, types.map((type) => JSON.stringify(type)).join(" or ")),
    text: text(0, MAX_TEXT),
  });
}

/**
 * Content as text; parts are joined with nothing between them: no character that the client has not
 * written. Throws `UNSUPPORTED_MODALITY`, `INVALID_REQUEST`, `UNSUPPORTED_PARAMETER`.
 *
 * @param at Where it stands in the body.
 */
export function toText(
  given: string | readonly unknown[],
  at: readonly (string | number)[],
  schema: TextPart,
): string {
  if (typeof given === "string") return given;
  return given.map((part, i) => toPartText(part, [...at, i], schema)).join("");
}

/** The `type` of a part, where it has one. */
export function typeOf(part: unknown): unknown {
  return typeof part === "object" && part !== null && "type" in part ? part.type : undefined;
}

/** The text of one part. Throws as {@linkcode toText}. */
export function toPartText(
  part: unknown,
  at: readonly (string | number)[],
  schema: TextPart,
): string {
  const type = typeOf(part);
  if (OTHER_MODALITIES.has(type)) {
    const param = toParam(at) ?? "";
    throw new RuntimeError(
      "UNSUPPORTED_MODALITY",
      `Cannot accept '${param}' of type ${JSON.stringify(type)}: this model reads text only`,
      { param },
    );
  }
  return check(schema, part, at).text;
}
