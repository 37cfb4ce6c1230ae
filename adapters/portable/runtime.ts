import type { KernelBuild } from "../../backends/wasm/select.ts";

/** What loading a model needs of a runtime beyond the globals of the web platform. */
export interface Runtime {
  /**
   * The compiled SIMD kernels. A runtime may forbid compiling bytes, so the adapter brings the module; it
   * also decides which build is the best there.
   */
  kernels(): Promise<KernelBuild>;
  /** Resolves after other events (messages, sockets, timers) had their turn. */
  yieldTurn(): Promise<void>;
}
