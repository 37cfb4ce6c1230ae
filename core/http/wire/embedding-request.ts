import * as v from "valibot";
import type { AskedEmbeddings } from "./asked.ts";
import { check, invalid } from "./check.ts";
import { textsOrTokens } from "./completion-request.ts";
import { integer, maybe, object, text } from "./fields.ts";
import { never, only, screen, type ScreenRules } from "./parameters.ts";

/** Texts of one request, as OpenAI has it. */
export const MAX_INPUTS = 2048;

/** Wider than any hidden state; the model's own width is known later. */
const MAX_DIMENSIONS = 65_536;

const RULES: ScreenRules = {
  restrictions: new Map([
    ["output_dtype", only("float", "only float is served")],
    ["metadata", never("nothing is stored")],
  ]),
  ignored: ["user"],
};

const request = object({
  model: text(1, 256),
  input: textsOrTokens(MAX_INPUTS),
  encoding_format: maybe(v.picklist(["float", "base64"], "float or base64")),
  dimensions: maybe(integer(1, MAX_DIMENSIONS)),
  output_dimension: maybe(integer(1, MAX_DIMENSIONS)),
  user: maybe(text(0, 512)),
});

/** A body of `POST /v1/embeddings`, checked. Throws `INVALID_REQUEST`, `UNSUPPORTED_PARAMETER`. */
export function parseEmbeddingRequest(body: unknown): AskedEmbeddings {
  const { fields, ignored } = screen(body, RULES);
  const values = check(request, fields);
  // `output_dimension` is Mistral's name for it.
  const { dimensions, output_dimension: other } = values;
  if (dimensions !== undefined && other !== undefined && dimensions !== other) {
    throw invalid("output_dimension", "it differs from 'dimensions'; send one of them");
  }
  const empty = values.input.findIndex(({ length }) => length === 0);
  if (empty >= 0) throw invalid(`input[${empty}]`, "it is empty");
  return {
    model: values.model,
    inputs: values.input,
    inputParam: "input",
    dimensions: dimensions ?? other,
    base64: values.encoding_format === "base64",
    truncate: false,
    ignored,
  };
}
