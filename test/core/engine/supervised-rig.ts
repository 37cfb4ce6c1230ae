import { afterEach, expect } from "vitest";
import type { Engine, GenerateRequest } from "../../../core/engine/engine.ts";
import type { EngineChange, OpenContext } from "../../../core/engine/engine-succession.ts";
import { type SupervisedEngine } from "../../../core/engine/lasting-engine.ts";
import { superviseEngine, type SupervisionLimits } from "../../../core/engine/supervised.ts";
import { compileFormat } from "../../../core/grammar/compile.ts";
import { tokenBytes } from "../../../core/grammar/token-bytes.ts";
import type { Constraint } from "../../../core/grammar/constraint.ts";
import { GREEDY, type SamplingParams } from "../../../core/sampler/params.ts";
import { pieceTokenizer } from "../../fixtures/scripted-engine.ts";
import { VOCAB } from "./memory-model.ts";
import { type Answer, collect, createRig, request, type Rig, type RigOptions } from "./rig.ts";

/** Tokens of the memory model as texts: letters, then nothing. */
const vocabulary = tokenBytes(
  pieceTokenizer(
    Array.from({ length: VOCAB }, (_, token) =>
      new TextEncoder().encode(token < 26 ? String.fromCodePoint(97 + token) : ""),
    ),
  ),
);
export const constraint: Constraint = {
  grammar: compileFormat({ type: "regex", pattern: "([a-f]{2}x)*" }, "format"),
  vocabulary,
  blank: false,
};
export const sampled: SamplingParams = { ...GREEDY, temperature: 1.2, seed: 7 };

/** Eight streams, one of each kind. */
export const STREAMS: readonly GenerateRequest[] = [
  request([1, 2, 3], { maxTokens: 12 }),
  request([4, 5], { maxTokens: 12, sampling: sampled }),
  request([6, 7], { maxTokens: 12, sampling: { ...sampled, seed: 3 }, constraint }),
  request([8, 9], { maxTokens: 12, sampling: sampled, logprobs: 3 }),
  request([1, 2, 9], { maxTokens: 40, stopTokens: [3, 7, 11, 30, 31, 32] }),
  request([3], { maxTokens: 12, sampling: { ...sampled, repeatPenalty: 1.5, repeatLastN: 4 } }),
  request([5, 5], { maxTokens: 12, sampling: { ...sampled, topK: 5, topP: 0.9 }, logprobs: 0 }),
  request(
    Array.from({ length: 40 }, (_, i) => i),
    { maxTokens: 12, tenant: "t", priority: 1 },
  ),
];
export const TEXT = [3, 1, 4, 1, 5];

export interface Supervised {
  readonly engine: SupervisedEngine;
  /** The rigs that were opened, and how. */
  readonly rigs: Rig[];
  readonly contexts: OpenContext[];
  readonly changes: EngineChange[];
}

const running: SupervisedEngine[] = [];
afterEach(async () => {
  for (const engine of running.splice(0)) await engine.close();
});

export interface Opening extends RigOptions {
  /** Prepare the n-th rig; may throw or wait instead of opening it. */
  readonly prepare?: (rig: Rig, n: number) => void | Promise<void>;
  readonly limits?: Partial<SupervisionLimits>;
  /** Name of the backend. */
  readonly backend?: (context: OpenContext) => string;
}

export async function supervise({
  prepare,
  limits,
  backend,
  ...options
}: Opening = {}): Promise<Supervised> {
  const rigs: Rig[] = [];
  const contexts: OpenContext[] = [];
  const changes: EngineChange[] = [];
  const engine = await superviseEngine({
    async open(context) {
      contexts.push(context);
      const rig = createRig(options);
      await prepare?.(rig, contexts.length - 1);
      rigs.push(rig);
      const info = { ...rig.engine.info, backend: backend?.(context) ?? "memory" };
      const named = Object.assign(Object.create(rig.engine) as typeof rig.engine, { info });
      const close = () => rig.engine.close();
      return { engine: named, close, discard: close };
    },
    onChange: (change) => changes.push(change),
    limits: { firstDelayMs: 1, ...limits },
  });
  running.push(engine);
  return { engine, rigs, contexts, changes };
}

/** Have a rig break in its n-th step from now. */
export function breakAt(rig: Rig, step: number, cause: Error = new Error("a step failed")): void {
  let left = step;
  rig.onRun = () => {
    if (--left === 0) throw cause;
  };
}

export async function askAll(engine: Engine): Promise<readonly unknown[]> {
  const answers = STREAMS.map((stream) => collect(engine, stream).then(withoutTimes));
  const embedded = engine.embed({ tokens: TEXT, pooling: "mean" });
  const scores = engine.score({ tokens: TEXT, from: 1 });
  return Promise.all([...answers, embedded, scores]);
}

/** All of an answer that does not depend on how fast it was. */
function withoutTimes({ events, done }: Answer): unknown {
  const { promptTokens, generatedTokens } = done!.timings;
  const plain = events.map(({ token, logprob, top }) => ({ token, logprob, top }));
  return { events: plain, reason: done!.reason, promptTokens, generatedTokens };
}

export const failure = async (answer: Promise<unknown>): Promise<unknown> =>
  answer.then(
    () => undefined,
    (error: unknown) => error,
  );

export const coded = (code: string): unknown =>
  expect.objectContaining({ name: "RuntimeError", code });
