import type { PoolStart } from "../../backends/wasm/backend.ts";
import type { KernelBuild } from "../../backends/wasm/select.ts";

/** Kernels as a runtime brings them. */
export interface RuntimeKernels extends KernelBuild {
  /** Threads to share the work with. Then `module` is one from `shareMemory`. */
  readonly pool?: PoolStart;
}

/** What loading a model needs of a runtime beyond the globals of the web platform. */
export interface Runtime {
  /**
   * The compiled SIMD kernels. A runtime may forbid compiling bytes, so the adapter brings the module; it
   * also decides which build is the best there.
   */
  kernels(): Promise<RuntimeKernels>;
  /**
   * Resolves after other events (messages, sockets, timers) had their turn. Absent where nothing may run
   * but on behalf of a request: then the engine is driven by `step`.
   */
  readonly yieldTurn?: () => Promise<void>;
  /** Bytes that WebAssembly memory may take; all that wasm32 can address unless given. */
  readonly maxBytes?: number;
}
