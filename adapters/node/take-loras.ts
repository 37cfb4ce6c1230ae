import { adaptEngine } from "../../core/lora/adapted-engine.ts";
import type { LoadedModel } from "./load.ts";
import { digestWith } from "./open-lora.ts";

/** A loaded model of which every answer takes all of its adapters, and whose digest says so. */
export function takeLoras(model: LoadedModel): LoadedModel {
  const { loras, engine } = model;
  if (loras.length === 0) return model;
  return {
    ...model,
    engine: adaptEngine(
      engine,
      loras.map(({ name, scale }) => ({ name, scale })),
    ),
    digest: () => digestWith(() => model.digest(), loras),
  };
}
