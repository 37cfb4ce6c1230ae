import type { Counters } from "./counters.ts";
import type { Profiler } from "./profile.ts";

/**
 * Commands of a step, collected until something needs them done: the question about its logits, or the
 * next write. So a step and its reduction are one submission. Should nothing come, a timer submits them.
 */
export class Commands {
  readonly #device: GPUDevice;
  readonly #counters: Counters;
  readonly #profiler: Profiler | undefined;
  #encoder: GPUCommandEncoder | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(device: GPUDevice, counters: Counters, profiler?: Profiler) {
    this.#device = device;
    this.#counters = counters;
    this.#profiler = profiler;
  }

  /** What to record into; a later `flush` submits it. */
  encoder(): GPUCommandEncoder {
    this.#encoder ??= this.#device.createCommandEncoder();
    return this.#encoder;
  }

  /** Submit soon, unless something does before. */
  submitLater(): void {
    this.#timer ??= setTimeout(() => this.flush(), 0);
  }

  /** Submit what was recorded. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#encoder === undefined) return;
    const submitted = this.#profiler?.collect(this.#encoder);
    const commands = this.#encoder.finish();
    this.#encoder = undefined;
    this.#device.queue.submit([commands]);
    this.#counters.submits++;
    submitted?.();
  }

  /** Forget what was recorded. */
  drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#encoder = undefined;
  }
}
