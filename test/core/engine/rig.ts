import { setImmediate } from "node:timers/promises";
import type {
  DoneEvent,
  Engine,
  GenerateRequest,
  TokenEvent,
} from "../../../core/engine/engine.ts";
import { createEngine } from "../../../core/engine/loop.ts";
import type { SteppedEngine } from "../../../core/engine/stepped-engine.ts";
import type { ModelLimits } from "../../../core/model/model.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import { type MemoryModel, createMemoryModel } from "./memory-model.ts";

export interface RigOptions extends Partial<ModelLimits> {
  readonly maxSequences?: number;
  readonly maxWaiting?: number;
  readonly chunk?: number;
  readonly contextLength?: number;
  readonly now?: () => number;
  readonly maxWaitingTokens?: number;
  readonly maxWaitMs?: number;
  readonly sharePrefixes?: boolean;
  readonly speculate?: boolean;
}

export interface Rig extends MemoryModel {
  readonly engine: SteppedEngine;
}

/** An engine on the memory model. */
export function createRig(options: RigOptions = {}): Rig {
  const { maxSequences = 8, maxWaiting = 1000, chunk, now } = options;
  const { maxRows = 64, maxLogitRows = 8, blocks = 64, blockSize = 4 } = options;
  const memory = createMemoryModel({ maxRows, maxLogitRows, blocks, blockSize });
  const engine = createEngine({
    backend: memory.backend,
    model: memory.model,
    loadMs: 12,
    maxSequences,
    maxWaiting,
    ...pick(options, [
      "contextLength",
      "maxWaitingTokens",
      "maxWaitMs",
      "sharePrefixes",
      "speculate",
    ]),
    ...(chunk === undefined ? {} : { chunk }),
    yieldTurn: turn,
    now: now ?? ((): number => performance.now()),
  });
  return Object.assign(memory, { engine });
}

function pick<K extends keyof RigOptions>(
  options: RigOptions,
  names: readonly K[],
): Pick<RigOptions, K> {
  const some: Partial<Pick<RigOptions, K>> = {};
  for (const name of names) if (options[name] !== undefined) some[name] = options[name];
  return some as Pick<RigOptions, K>;
}

export async function turn(): Promise<void> {
  await setImmediate();
}

/** A request of ten greedy tokens. */
export function request(
  tokens: readonly number[],
  more: Partial<GenerateRequest> = {},
): GenerateRequest {
  return { tokens, maxTokens: 10, sampling: GREEDY, stopTokens: [], ...more };
}

export interface Answer {
  readonly tokens: number[];
  readonly events: TokenEvent[];
  readonly done: DoneEvent | undefined;
}

/** Read a request to its end. */
export async function collect(engine: Engine, asked: GenerateRequest): Promise<Answer> {
  const events: TokenEvent[] = [];
  let done: DoneEvent | undefined;
  for await (const event of engine.generate(asked)) {
    if (done !== undefined) throw new Error("an event after the end");
    if (event.type === "token") events.push(event);
    else done = event;
  }
  return { tokens: events.map((e) => e.token), events, done };
}
