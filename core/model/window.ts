import type { ModelConfig } from "./model.ts";

/** Whether a layer's attention has the window. */
export function isWindowed({ slidingWindow, windowedLayers }: ModelConfig, layer: number): boolean {
  if (slidingWindow === undefined) return false;
  return windowedLayers === undefined || windowedLayers[layer] === true;
}

/** The window of a layer's attention, where it has one. */
export function windowOf(config: ModelConfig, layer: number): { readonly window?: number } {
  const { slidingWindow } = config;
  return slidingWindow !== undefined && isWindowed(config, layer) ? { window: slidingWindow } : {};
}
