import { expect, test } from "vitest";
import type { Engine } from "../../../core/engine/engine.ts";
import { hostEngine } from "../../../core/engine/host.ts";
import { connectEngine } from "../../../core/engine/remote.ts";
import { MAX_BACKLOG_BYTES } from "../../../core/engine/token-stream.ts";
import { createRig, request, turn } from "./rig.ts";

/** An answer of which nothing is read; resolves with the events that waited once it was cut off. */
async function unread(engine: Engine): Promise<number> {
  const asked = request([1], { maxTokens: 900, logprobs: 20 });
  const iterator = engine.generate(asked)[Symbol.asyncIterator]();
  await iterator.next();
  while (engine.stats().running > 0) await turn();
  let events = 1;
  try {
    while ((await iterator.next()).done !== true) events++;
  } catch (error) {
    expect(error).toMatchObject({ code: "ABORTED" });
    return events;
  }
  throw new Error("the answer was not cut off");
}

test("an answer that nobody reads is cut off at the bound and frees its slot", async () => {
  const { engine } = createRig({ blocks: 256 });
  const events = await unread(engine);
  // An alternative takes 16 bytes at the very least.
  expect(events * 20 * 16).toBeLessThan(MAX_BACKLOG_BYTES);
  expect(events).toBeGreaterThan(100);
  expect(engine.stats().kvBlocksUsed).toBe(0);
  await engine.close();
});

test("so is one that crosses a port", async () => {
  const { engine } = createRig({ blocks: 256 });
  const { port1, port2 } = new MessageChannel();
  hostEngine(engine, port1);
  const remote = await connectEngine(port2);
  const events = await unread(remote);
  expect(events).toBeLessThan(900);
  while (engine.stats().running > 0) await turn();
  await remote.close();
});
