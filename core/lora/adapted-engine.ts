import type { Engine } from "../engine/engine.ts";
import type { LoraUse } from "../engine/lora.ts";

/** An engine of which every request takes these adapters: whoever asks it need not know of them. */
export function adaptEngine(engine: Engine, lora: readonly LoraUse[]): Engine {
  return {
    get info() {
      return engine.info;
    },
    generate: (request) => engine.generate({ ...request, lora }),
    score: (request) => engine.score({ ...request, lora }),
    embed: (request) => engine.embed({ ...request, lora }),
    stats: () => engine.stats(),
    close: () => engine.close(),
  };
}
