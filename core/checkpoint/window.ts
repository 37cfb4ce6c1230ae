import { RuntimeError } from "../errors.ts";
import type { KeyWriter } from "./architectures.ts";
import type { ConfigFields } from "./config-fields.ts";

/** How `layer_types` calls layers with and without a window. */
const SLIDING = "sliding_attention";
const FULL = "full_attention";

/** Write how far layers see, where there is a window, and which layers have it, where not all do. */
export function writeWindow(config: ConfigFields, write: KeyWriter): void {
  const types = config.raw("layer_types");
  const windowed = Array.isArray(types) ? types.map(isSliding) : undefined;
  // A window that no layer has is none.
  if (windowed?.includes(true) === false) return;
  write("attention.sliding_window", "u32", config.number("sliding_window"));
  if (windowed?.includes(false) === true) {
    write("attention.sliding_window_pattern", "bool", windowed);
  }
}

/** The same where layers from a number on have the window, unless `layer_types` says it. */
export function windowByLayerNumber(config: ConfigFields, write: KeyWriter): void {
  if (config.raw("layer_types") !== undefined) {
    writeWindow(config, write);
    return;
  }
  const layers = config.required("num_hidden_layers");
  const first = config.required("max_window_layers");
  if (first >= layers) return;
  write("attention.sliding_window", "u32", config.number("sliding_window"));
  const windowed = Array.from({ length: Math.min(layers, MAX_LAYERS) }, (_, i) => i >= first);
  if (first > 0) write("attention.sliding_window_pattern", "bool", windowed);
}

/** Far more than any model has: the number comes from a file. */
const MAX_LAYERS = 4096;

function isSliding(type: unknown): boolean {
  if (type === SLIDING || type === FULL) return type === SLIDING;
  throw new RuntimeError(
    "MODEL_UNSUPPORTED",
    `Cannot use layers of the type ${JSON.stringify(type)?.slice(0, 60)}: expected ${SLIDING} or ${FULL}`,
  );
}
