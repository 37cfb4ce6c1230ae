/** sirocco in a browser: load a model and ask it. */
export * from "../../core/mod.ts";
export { load } from "./load.ts";
export type { LoadOptions } from "./open-engine.ts";
export type { BrowserBackend } from "./choose-backend.ts";
export type { PortableOptions } from "../portable/start-engine.ts";

/** URL of the model that comes with the package, as the package's files lie. */
export const demoModel: string = new URL(
  "../../../examples/demo-model/sirocco-demo.q8_0.gguf",
  import.meta.url,
).href;
