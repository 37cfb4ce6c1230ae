/** What the text of an answer has to be; what every API's own way of asking for it becomes. */
export type AnswerFormat =
  /** Any JSON object. */
  | { readonly type: "json_object" }
  /** JSON valid by a schema, see `json-schema/keywords.ts` for what one may say. */
  | { readonly type: "json_schema"; readonly schema: unknown }
  /** Text that matches a regular expression from its first to its last character. */
  | { readonly type: "regex"; readonly pattern: string }
  /** Text that a grammar in llama.cpp's notation derives. */
  | { readonly type: "gbnf"; readonly grammar: string };
