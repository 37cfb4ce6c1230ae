import { describe, expect, test } from "vitest";
import { affinityKey, chooseNode, type Candidate } from "../../../core/pool/affinity.ts";
import * as health from "../../../core/pool/health.ts";
import { createLatencies } from "../../../core/pool/latencies.ts";
import { chooseRung, DEFAULT_OVERFLOW } from "../../../core/pool/overflow.ts";
import { backoffMs, mayRetry } from "../../../core/pool/retry.ts";
import { readTokens, writeTokens } from "../../../core/pool/tokens-text.ts";
import { createTranscript } from "../../../core/pool/transcript.ts";
import { parseChatRequest } from "../../../core/http/wire/chat-request.ts";
import type { ChoiceEvent } from "../../../core/answer/several.ts";

const { HEALTHY, MOST_FAILURES, standing } = health;

/** `what` done `times` times, one after the other. */
function repeat<T>(times: number, start: T, what: (state: T) => T): T {
  let state = start;
  for (let i = 0; i < times; i++) state = what(state);
  return state;
}

const lose = (now: number) => (state: health.NodeHealth) => health.afterLoss(state, now);

const err =
  (now: number, last = false) =>
  (state: health.NodeHealth) =>
    health.afterError(state, now, last);

describe("the health of a node", () => {
  test("five lost connections in a row put it out, four and an answer do not", () => {
    expect(standing(repeat(MOST_FAILURES - 1, HEALTHY, lose(0)), 0)).toBe("in");
    expect(standing(repeat(MOST_FAILURES, HEALTHY, lose(0)), 0)).toBe("out");
    const answered = health.afterAnswer(repeat(MOST_FAILURES - 1, HEALTHY, lose(0)), 0);
    expect(standing(repeat(MOST_FAILURES - 1, answered, lose(0)), 0)).toBe("in");
  });

  test("a lost node is tried again after pauses that double, none longer than four seconds", () => {
    let now = 0;
    let state = repeat(MOST_FAILURES, HEALTHY, lose(now));
    const pauses: number[] = [];
    for (let i = 0; i < 6; i++) {
      pauses.push(state.out!.until - now);
      expect(standing(state, state.out!.until - 1)).toBe("out");
      now = state.out!.until;
      expect(standing(state, now)).toBe("trial");
      state = health.afterLoss(state, now);
    }
    expect(pauses).toEqual([500, 1000, 2000, 4000, 4000, 4000]);
    expect(standing(health.afterAnswer(state, now), now)).toBe("in");
    expect(standing(health.afterProbe(state, true), now)).toBe("in");
  });

  test("losses of what was under way when it went out do not lengthen the pause", () => {
    const out = repeat(MOST_FAILURES, HEALTHY, lose(0));
    expect(repeat(50, out, lose(100)).out).toEqual(out.out);
  });

  test("five errors in a row eject it for 30 s, then longer, up to 300 s", () => {
    let now = 0;
    let state = HEALTHY;
    const pauses: number[] = [];
    for (let i = 0; i < 12; i++) {
      state = repeat(i === 0 ? MOST_FAILURES : 1, state, err(now));
      pauses.push(state.out!.pauseMs / 1000);
      expect(standing(state, now)).toBe("out");
      now = state.out!.until;
    }
    expect(pauses).toEqual([30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]);
    // Only an answer shows that a node which failed works again: that it is there is known.
    expect(health.afterProbe(state, true).out).toEqual(state.out);
    const back = health.afterAnswer(state, now + 90_000);
    expect(back).toMatchObject({ out: undefined, ejections: state.ejections - 3 });
  });

  test("the last node that is in is never ejected", () => {
    expect(standing(repeat(100, HEALTHY, err(0, true)), 0)).toBe("in");
  });

  test("a node that says so gets nothing until it says otherwise", () => {
    const leaving = health.afterProbe(HEALTHY, false);
    expect(standing(leaving, 1e9)).toBe("out");
    expect(standing(health.afterProbe(leaving, true), 0)).toBe("in");
  });
});

test("retries are a fifth of what runs, and three in any case", () => {
  expect([0, 2, 3].map((retries) => mayRetry(0, retries))).toEqual([true, true, false]);
  expect([19, 20].map((retries) => mayRetry(100, retries))).toEqual([true, false]);
  expect([2, 3, 4, 5, 6, 9].map((attempt) => backoffMs(attempt, 1))).toEqual([
    25, 50, 100, 200, 250, 250,
  ]);
  expect(backoffMs(9, 0)).toBe(0);
});

test("the 95th percentile is of the latest answers, and unknown before there are twenty", () => {
  const latencies = createLatencies();
  for (let i = 1; i < 20; i++) latencies.add(i);
  expect(latencies.p95()).toBeUndefined();
  latencies.add(20);
  expect(latencies.p95()).toBe(19);
  for (let i = 0; i < 200; i++) latencies.add(1000);
  expect(latencies.p95()).toBe(1000);
});

const nodes = (loads: readonly number[]): Candidate[] =>
  loads.map((inFlight, i) => ({ name: `node-${i}`, inFlight, standing: "in" }));

const keyOf = (messages: readonly object[], tenant = "a"): string =>
  affinityKey(parseChatRequest({ model: "m", messages }), tenant);

describe("the choice of a node", () => {
  const keys = Array.from({ length: 3000 }, (_, i) => `conversation ${i}`);

  test("spreads keys evenly, and another node takes keys from all alike and moves no others", () => {
    const three = nodes([0, 0, 0]);
    const four = nodes([0, 0, 0, 0]);
    const before = keys.map((key) => chooseNode(three, key)!.name);
    const after = keys.map((key) => chooseNode(four, key)!.name);
    for (const { name } of three) {
      expect(before.filter((one) => one === name).length).toBeGreaterThan(900);
    }
    const moved = keys.filter((_, i) => before[i] !== after[i]);
    expect(after.filter((one) => one === "node-3")).toHaveLength(moved.length);
    expect(moved.length).toBeGreaterThan(600);
    expect(moved.length).toBeLessThan(900);
  });

  test("falls to the least busy one where the preferred one has too much", () => {
    const key = keys.find((one) => chooseNode(nodes([0, 0, 0]), one)!.name === "node-0")!;
    expect(chooseNode(nodes([3, 0, 2]), key)!.name).toBe("node-0");
    expect(chooseNode(nodes([9, 3, 2]), key)!.name).toBe("node-2");
    expect(chooseNode(nodes([100, 98, 99]), key)!.name).toBe("node-0");
  });

  test("gives nothing to nodes that are out, and one request to one that is on trial", () => {
    const [one, other] = nodes([0, 0]) as [Candidate, Candidate];
    const key = keys.find((each) => chooseNode([one, other], each) === one)!;
    expect(chooseNode([{ ...one, standing: "out" }, other], key)).toBe(other);
    expect(chooseNode([{ ...one, standing: "trial" }, other], key)!.name).toBe(one.name);
    expect(chooseNode([{ ...one, standing: "trial", inFlight: 1 }, other], key)).toBe(other);
    expect(chooseNode([{ ...one, standing: "out" }], key)).toBeUndefined();
    // Unless there is no other.
    const alone = { ...one, standing: "trial", inFlight: 9 } as const;
    expect(chooseNode([alone, { ...other, standing: "out" }], key)).toBe(alone);
  });

  test("the turns of a conversation have one key, other beginnings and other tenants have others", () => {
    const system = { role: "system", content: "Be brief." };
    const first = { role: "user", content: "Hello" };
    const later = [
      system,
      first,
      { role: "assistant", content: "Hi" },
      { role: "user", content: "?" },
    ];
    expect(keyOf(later)).toBe(keyOf([system, first]));
    expect(keyOf([first])).not.toBe(keyOf([system, first]));
    expect(keyOf([first], "b")).not.toBe(keyOf([first]));
  });
});

const rung = (running: number, waiting: number, meanAnswerMs: number, deadlineMs?: number) =>
  chooseRung({ running, waiting, meanAnswerMs }, DEFAULT_OVERFLOW, deadlineMs);

test("requests go over to the pool where they would wait here too long", () => {
  expect(rung(8, 0, 60_000, 1)).toEqual({ first: "local", why: "room" });
  expect(rung(8, 2, 500)).toEqual({ first: "local", why: "room" });
  expect(rung(8, 8, 1)).toEqual({ first: "pool", why: "queue" });
  expect(rung(4, 4, 1500)).toEqual({ first: "pool", why: "wait" });
  expect(rung(4, 2, 1500, 2000)).toEqual({ first: "pool", why: "deadline" });
  expect(rung(4, 2, 1500, 3000)).toEqual({ first: "local", why: "room" });
});

const text = (value: string, choice = 0): ChoiceEvent => ({
  choice,
  event: { type: "text", text: value, tokens: [] },
});

test("tokens go through a header", () => {
  const tokens = [0, 1, 127, 128, 16_383, 16_384, 131_071, 0, 5];
  expect(readTokens(writeTokens(tokens))).toEqual(tokens);
  expect(writeTokens(tokens)).toMatch(/^[\w-]+$/);
  expect(readTokens("%%%")).toEqual([]);
  expect(readTokens("_".repeat(400))).toEqual([]);
});

describe("a transcript", () => {
  test("passes over what was sent, answer by answer, in whatever order they come again", () => {
    const transcript = createTranscript();
    for (const event of [text("a"), text("x", 1), text("b")])
      expect(transcript.isNew(event)).toBe(true);
    transcript.rewind();
    const again = [text("x", 1), text("y", 1), text("a"), text("b"), text("c")];
    expect(again.map((event) => transcript.isNew(event))).toEqual([
      false,
      true,
      false,
      false,
      true,
    ]);
    expect(transcript.size).toBe(5);
  });

  test("refuses to go on with another answer", () => {
    const transcript = createTranscript();
    transcript.isNew(text("a"));
    transcript.rewind();
    expect(() => transcript.isNew(text("b"))).toThrow(/differs/);
  });
});
