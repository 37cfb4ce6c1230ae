import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { SupervisionLimits } from "../../../core/engine/supervised.ts";
import { RuntimeError } from "../../../core/errors.ts";
import { collect, createRig, request } from "./rig.ts";
import { askAll, coded, failure, STREAMS, supervise } from "./supervised-rig.ts";

/** A supervised engine whose first engine is broken and whose second one comes when `come` is called. */
async function without(limits: Partial<SupervisionLimits> = {}) {
  let come: (() => void) | undefined;
  const coming = new Promise<void>((resolve) => {
    come = resolve;
  });
  const supervised = await supervise({
    limits,
    prepare: (_, n) => (n === 1 ? coming : undefined),
  });
  supervised.rigs[0]!.engine.abandon({
    reason: "died",
    error: new RuntimeError("INTERNAL", "dead"),
  });
  await sleep(1);
  expect(supervised.engine.condition().state).toBe("opening");
  return { ...supervised, come: () => come?.() };
}

describe("while there is no engine", () => {
  test("requests wait, and liveness sees nothing amiss", async () => {
    const { engine, come } = await without();
    const answers = askAll(engine);
    await sleep(20);
    expect(engine.stats()).toMatchObject({ running: 0, waiting: 10, stalledMs: 0 });
    come();
    const alone = createRig();
    expect(await answers).toEqual(await askAll(alone.engine));
    await alone.engine.close();
    expect(engine.condition()).toMatchObject({ state: "ready", moved: 0 });
  });

  test("they wait no longer than is theirs", async () => {
    const { engine, come } = await without({ waitMs: 40, maxWaiting: 3 });
    const signal = AbortSignal.timeout(10);
    const [left, late, tired, refused] = await Promise.all(
      [{ signal }, { deadlineMs: 20 }, {}, {}].map((more) =>
        failure(collect(engine, request([1], more))),
      ),
    );
    expect([left, late, tired, refused]).toEqual(
      ["ABORTED", "DEADLINE_EXCEEDED", "MODEL_LOADING", "QUEUE_FULL"].map(coded),
    );
    expect(engine.stats().waiting).toBe(0);
    come();
  });

  test("who leaves is not waited for, and closing ends all", async () => {
    const { engine, rigs, come } = await without();
    const events = engine.generate(STREAMS[0]!)[Symbol.asyncIterator]();
    const next = events.next();
    await events.return!();
    expect(await next).toEqual({ done: true, value: undefined });
    const asked = failure(collect(engine, STREAMS[0]!));
    const closed = engine.close();
    expect(await asked).toEqual(coded("NOT_READY"));
    come();
    await closed;
    // What came too late was closed as well.
    expect(rigs.map((rig) => rig.closed)).toEqual([1, 1]);
  });
});
