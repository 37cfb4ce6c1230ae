import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { driveByReaders } from "../../../adapters/workerd/driven-engine.ts";
import { createReaderSuccession } from "../../../adapters/workerd/reader-succession.ts";
import { createBreakTally } from "../../../core/engine/break-tally.ts";
import type { MortalEngine } from "../../../core/engine/engine.ts";
import { createLastingEngine, type SupervisedEngine } from "../../../core/engine/lasting-engine.ts";
import { createEngine } from "../../../core/engine/loop.ts";
import { RESTART_LIMITS } from "../../../core/engine/restart-policy.ts";
import { RuntimeError } from "../../../core/errors.ts";
import { createMemoryModel, type MemoryModel } from "../../core/engine/memory-model.ts";
import { collect, request } from "../../core/engine/rig.ts";
import { askAll, coded, failure, STREAMS } from "../../core/engine/supervised-rig.ts";

const now = () => performance.now();

interface Driven {
  readonly engine: SupervisedEngine;
  readonly memories: MemoryModel[];
}

/** An engine as in workerd; `prepare` may spoil the n-th model, throw or wait. */
async function drive(
  prepare: (memory: MemoryModel, n: number) => void | Promise<void> = () => {},
): Promise<Driven> {
  const memories: MemoryModel[] = [];
  let opened = 0;
  const open = async (): Promise<MortalEngine> => {
    const memory = createMemoryModel({ maxRows: 64, maxLogitRows: 8, blocks: 64, blockSize: 4 });
    await prepare(memory, opened++);
    memories.push(memory);
    const limits = { loadMs: 0, maxSequences: 8, maxWaiting: 8 };
    return driveByReaders(createEngine({ ...memory, ...limits, now }));
  };
  const tally = createBreakTally();
  const restarts = { ...RESTART_LIMITS, breakages: 4, firstDelayMs: 1 };
  const engines = createReaderSuccession({ first: await open(), open, tally, restarts, now });
  const watch = { enter: () => {}, leave: () => {} };
  return { engine: createLastingEngine({ engines, tally, watch, now }), memories };
}

function breakAt(memory: MemoryModel, step: number): void {
  let left = step;
  memory.onRun = () => {
    if (--left === 0) throw new WebAssembly.RuntimeError("unreachable");
  };
}

test("readers whose engine traps open another, once, and get what they would have got", async () => {
  const alone = await drive();
  const reference = await askAll(alone.engine);
  for (const step of [1, 3, 7, 12]) {
    const { engine, memories } = await drive(
      (memory, n) => void (n === 0 && breakAt(memory, step)),
    );
    expect(await askAll(engine), `broken in step ${step}`).toEqual(reference);
    expect(memories).toHaveLength(2);
    expect(memories[0]!.closed).toBe(1);
    expect(engine.condition()).toMatchObject({ state: "ready", broken: { trap: 1 } });
    await engine.close();
  }
});

test("a reader that cannot open one tries again, and at last all are told", async () => {
  const { engine, memories } = await drive((memory, n) => {
    if (n === 0) breakAt(memory, 2);
    else throw new RuntimeError("INSUFFICIENT_RESOURCES", "no room");
  });
  const asked = [1, 2].map((token) => failure(collect(engine, request([token]))));
  expect(await Promise.all(asked)).toEqual([coded("NOT_READY"), coded("NOT_READY")]);
  expect(await engine.gone).toEqual(coded("INSUFFICIENT_RESOURCES"));
  expect(memories).toHaveLength(1);
  expect(engine.condition().state).toBe("gone");
});

test("whoever waits for another's engine may leave, or run out of time", async () => {
  let come: (() => void) | undefined;
  const coming = new Promise<void>((resolve) => {
    come = resolve;
  });
  const { engine } = await drive((memory, n) => (n === 0 ? breakAt(memory, 1) : coming));
  const opening = collect(engine, STREAMS[0]!);
  await sleep(20);
  expect(engine.condition().state).toBe("opening");
  const signal = AbortSignal.timeout(20);
  const others = [{ signal }, { deadlineMs: 20 }].map((more) =>
    failure(collect(engine, request([1], more))),
  );
  expect(await Promise.all(others)).toEqual([coded("ABORTED"), coded("DEADLINE_EXCEEDED")]);
  come?.();
  expect((await opening).tokens).toHaveLength(12);
  await engine.close();
});
