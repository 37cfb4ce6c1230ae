import type { ModelConfig } from "./model.ts";

/** The window of a layer's attention, where it has one. */
export function windowOf(
  { slidingWindow, windowedLayers }: ModelConfig,
  layer: number,
): { readonly window?: number } {
  if (slidingWindow === undefined) return {};
  return windowedLayers === undefined || windowedLayers[layer] === true
    ? { window: slidingWindow }
    : {};
}
