/** Which tools a turn may call; what every API's own way of saying so becomes. */

/** A function that a model may call. */
export interface Tool {
  /** By which calls name it. */
  readonly name: string;
  /** What the model is told about it. */
  readonly description?: string;
  /** JSON Schema of its arguments, an object; absent: no arguments. */
  readonly parameters?: unknown;
  /** `false`: calls may have any object as arguments, and the schema is only shown to the model. */
  readonly strict?: boolean;
}

/** `auto`: the model decides; `required`: at least one call; a name: calls of that tool only. */
export type ToolChoice = "auto" | "required" | { readonly name: string };

/** The tools of a request that allows calls. */
export interface ToolUse {
  /** All that the model is told of, names unique. */
  readonly tools: readonly Tool[];
  readonly choice: ToolChoice;
  /** Whether a turn may hold several calls. */
  readonly parallel: boolean;
}
