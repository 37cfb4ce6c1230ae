import type { Bindings } from "./bindings.ts";
import { PARAM_STRIDE } from "./bindings.ts";
import type { Counters } from "./counters.ts";
import type { ReadyDispatch } from "./encode.ts";
import type { Pipelines } from "./pipelines.ts";
import type { PlannedDispatch } from "./planner.ts";
import { type Op, sameOps } from "./recorder.ts";

/** Plans kept; more kinds of steps than that are planned again. */
const MOST_PLANS = 64;

/** The dispatches of one kind of step. */
export interface Plan {
  readonly ops: readonly Op[];
  readonly dispatches: readonly ReadyDispatch[];
  /** Bytes of weights that they read. */
  readonly weightBytes: number;
  /** {@linkcode Bindings.generation} whose bind groups they hold. */
  readonly generation: number;
}

/** How a plan's dispatches bind caches. */
export type CacheOf = (index: number) => GPUBuffer;

/**
 * Plans of steps that have been, found again by what the steps do. A step of a known kind allocates and
 * compiles nothing: its parameters are on the device already.
 */
export class Plans {
  readonly #queue: GPUQueue;
  readonly #pipelines: Pipelines;
  readonly #bindings: Bindings;
  readonly #counters: Counters;
  #plans: Plan[] = [];
  /** Next free bytes among the parameters. */
  #offset = 0;

  constructor(queue: GPUQueue, pipelines: Pipelines, bindings: Bindings, counters: Counters) {
    this.#queue = queue;
    this.#pipelines = pipelines;
    this.#bindings = bindings;
    this.#counters = counters;
  }

  /** The plan of a step like this one. */
  find(ops: readonly Op[]): Plan | undefined {
    const { generation } = this.#bindings;
    if (this.#plans.length > 0 && this.#plans[0]!.generation !== generation) this.#forget();
    return this.#plans.find((plan) => sameOps(plan.ops, ops));
  }

  /**
   * Compile what is new and write the parameters down. All commands that were recorded before have to be
   * submitted: parameters of forgotten plans are overwritten.
   */
  async make(
    ops: readonly Op[],
    planned: readonly PlannedDispatch[],
    cacheOf: CacheOf,
  ): Promise<Plan> {
    this.#counters.plans++;
    const pipelines = await Promise.all(planned.map(({ kernel }) => this.#pipelines.get(kernel)));
    const bytes = planned.length * PARAM_STRIDE;
    const room = this.#bindings.params.size;
    if (bytes > room) {
      throw new RangeError(`Cannot plan a step of ${planned.length} dispatches`);
    }
    if (this.#plans.length === MOST_PLANS || this.#offset + bytes > room) this.#forget();
    const first = this.#offset;
    this.#offset += bytes;
    const words = new Uint32Array(bytes / 4);
    const dispatches = planned.map((dispatch, i): ReadyDispatch => {
      const { kernel, params, arena, cache, ...rest } = dispatch;
      words.set(params, (i * PARAM_STRIDE) / 4);
      const buffer = cache === undefined ? undefined : cacheOf(cache);
      return {
        ...rest,
        name: kernel.name,
        pipeline: pipelines[i]!,
        group: this.#bindings.group(arena, cache, buffer),
        offset: first + i * PARAM_STRIDE,
      };
    });
    if (bytes > 0) this.#queue.writeBuffer(this.#bindings.params, first, words);
    const plan: Plan = {
      ops: [...ops],
      dispatches,
      weightBytes: planned.reduce((sum, dispatch) => sum + dispatch.weightBytes, 0),
      generation: this.#bindings.generation,
    };
    this.#plans.push(plan);
    return plan;
  }

  #forget(): void {
    this.#plans = [];
    this.#offset = 0;
  }
}
