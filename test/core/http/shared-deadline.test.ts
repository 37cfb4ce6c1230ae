import { expect, test } from "vitest";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";
import { ask, caching, CHAT, contentOf, streamedText, TEXT, until } from "./pool-rig.ts";

const within = (ms: number) => ({ headers: { "x-sirocco-timeout-ms": String(ms) } });

test("the first one's deadline is not that of those who wait with it, nor theirs its own", async () => {
  const gate = Promise.withResolvers<void>();
  const pace = (index: number) => (index === 3 ? gate.promise : undefined);
  const app = createScriptedApp({ reply: TEXT, pace }, { caching: caching() });
  const leader = app.post(CHAT, ask, within(100));
  const patient = app.post(CHAT, ask, within(60_000));
  const any = app.post(CHAT, { ...ask, stream: true });
  const late = await leader;
  expect(late.status).toBe(504);
  expect(await late.json()).toMatchObject({ error: { code: "deadline_exceeded" } });
  gate.resolve();
  expect(await contentOf(await patient)).toBe(TEXT);
  expect(await streamedText(await any)).toBe(TEXT);
  expect(app.engine.requests).toHaveLength(1);
  expect(app.engine.requests[0]!.deadlineMs).toBeUndefined();
});

test("when the last one's time is over the engine is free again", async () => {
  const never = new Promise<void>(() => {});
  const app = createScriptedApp({ reply: TEXT, pace: () => never }, { caching: caching() });
  const answers = await Promise.all([30, 60].map((ms) => app.post(CHAT, ask, within(ms))));
  expect(answers.map(({ status }) => status)).toEqual([504, 504]);
  await until(() => app.engine.busy() === 0);
});
